"""The rows of docs/resume.md on the real vLLM, on this CPU (`make record-vllm`): what joins at seams."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from inference_service.node.answer import answer, choices, joined, wholes
from inference_service.node.engines import vllm_wire
from inference_service.node.engines.protocol import EngineError, Generation, Piece
from inference_service.node.engines.vllm import VllmEngine
from tests.real_vllm import serving
from tests.real_vllm.cases import SCHEMA, ask, offered
from tests.real_vllm.tiny_llama import END

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(3600)]

HALF = "\ufffd"  # a character
QUESTIONS = ("hello", "hi", "again", "tell me more", "What is new?", "x y z", "one", "two", "three", "a 🙂")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmEngine]:
    async with serving.serving(tmp_path_factory.mktemp("vllm")) as engine:
        yield engine


async def pieces_of(engine: VllmEngine, asked: Generation) -> list[Piece]:
    async with aclosing(answer(engine, asked)) as pieces:
        return [piece async for piece in pieces]


async def whole(engine: VllmEngine, asked: Generation) -> Piece:
    return joined(await pieces_of(engine, asked))


async def directly(engine: VllmEngine, tokens: list[int], count: int, **options: Any) -> list[int]:
    """What vLLM itself decodes after these tokens, without the node's engine in between."""
    body = {"model": serving.MODEL, "prompt": tokens, "max_tokens": count, "temperature": 0, "return_token_ids": True}
    async with engine._client().post("/v1/completions", json=body | options) as said:
        decoded: list[int] = (await said.json())["choices"][0]["token_ids"]
    return decoded


async def test_at_random_cuts_the_rest_is_what_vllm_decodes_from_exactly_those_tokens(engine: VllmEngine):
    """Cuts between any two tokens, also within characters: received text and rest make one answer."""
    random_cuts, equal, cuts = random.Random(7), 0, 0
    for question in QUESTIONS:
        asked = ask(question, max_tokens=48)
        uncut = await whole(engine, asked)
        prompt = await engine._prompt(asked)
        places = range(1, len(uncut.token_ids))
        for at in random_cuts.sample(places, min(4, len(places))):
            received = uncut.token_ids[:at]
            resumed = replace(asked, resume_token_ids=received)
            rest = await whole(engine, resumed)
            assert list(rest.token_ids) == await directly(engine, [*prompt, *received], 48 - at)
            all_text = await engine.received_text(replace(asked, resume_token_ids=(*received, *rest.token_ids)))
            shown = (await engine.received_text(resumed)).rstrip(HALF)  # which the node withholds
            assert shown + rest.text == all_text.removesuffix(END).rstrip(HALF)  # the limit may fall into one, too
            assert rest.completion_tokens == at + len(rest.token_ids)
            cuts, equal = cuts + 1, equal + ((*received, *rest.token_ids) == uncut.token_ids)
    print(f"{equal} of {cuts} cut answers also equal the uninterrupted one")


async def test_a_seed_draws_anew_after_the_seam_and_the_same_each_time(engine: VllmEngine):
    asked = ask("hello", max_tokens=24, temperature=1.0, seed=7)
    uncut = await whole(engine, asked)
    assert (await whole(engine, asked)).token_ids == uncut.token_ids
    resumed = replace(asked, resume_token_ids=uncut.token_ids[:8])
    first, second = await whole(engine, resumed), await whole(engine, resumed)
    assert first.token_ids == second.token_ids != uncut.token_ids[8:]


async def test_a_stop_string_across_the_seam_ends_the_answer(engine: VllmEngine):
    plain = await whole(engine, ask("hello", max_tokens=24))
    stop = plain.text[8:16]  # within the third and fourth word
    asked = ask("hello", max_tokens=24, stop=(stop,))
    uncut = await whole(engine, asked)
    assert (uncut.text, uncut.finish) == (plain.text[: plain.text.index(stop)], "stop")
    for shown in range(1, len(await pieces_of(engine, asked))):
        before = joined((await pieces_of(engine, asked))[:shown])
        rest = await whole(engine, replace(asked, resume_token_ids=before.token_ids))
        assert (before.text + rest.text, rest.finish) == (uncut.text, "stop")


async def test_a_limit_holds_for_the_whole_answer(engine: VllmEngine):
    asked = ask("again", max_tokens=20)
    uncut = await whole(engine, asked)
    rest = await whole(engine, replace(asked, resume_token_ids=uncut.token_ids[:15]))
    assert (len(rest.token_ids), rest.completion_tokens, rest.finish) == (5, 20, "length")
    over = await pieces_of(engine, replace(asked, resume_token_ids=uncut.token_ids))
    assert [(piece.finish, piece.token_ids) for piece in over] == [("length", ())]


async def test_penalties_do_not_count_the_tokens_of_the_prompt(engine: VllmEngine):
    """So such answers are held back: gone on with, they would be others."""
    asked = ask("hi", max_tokens=23)
    said = await whole(engine, asked)  # the model repeats itself here
    assert len(set(said.token_ids)) < len(said.token_ids)
    penalty = {"presence_penalty": 2.0, "frequency_penalty": 2.0}
    tokens = [*(await engine._prompt(asked)), *said.token_ids[:14]]
    assert await directly(engine, tokens, 1, **penalty) == await directly(engine, tokens, 1)
    assert not engine.resumes(replace(asked, presence_penalty=2.0))


async def test_a_grammar_begins_anew_after_the_prompt(engine: VllmEngine):
    """So such answers are held back: gone on with, they would begin a second time."""
    asked = ask("hello", max_tokens=80, json_schema=SCHEMA)
    document = await whole(engine, asked)
    assert set(json.loads(document.text)) == {"city", "warm"}
    body = vllm_wire.completion_body(asked, serving.MODEL, await engine._prompt(asked), serving.CONTEXT_TOKENS)
    tokens = [*body["prompt"], *document.token_ids[:10]]
    anew = await directly(engine, tokens, 1, response_format=body["response_format"])
    assert anew == [ord("{")]
    with pytest.raises(EngineError, match="ask for it anew"):
        await whole(engine, replace(asked, resume_token_ids=document.token_ids[:10]))


async def test_likelihoods_go_on_over_the_seam(engine: VllmEngine):
    asked = ask("hello", max_tokens=20, top_logprobs=3)
    uncut = await whole(engine, asked)
    assert len(uncut.logprobs) == 20
    for at in range(1, 20):
        rest = await whole(engine, replace(asked, resume_token_ids=uncut.token_ids[:at]))
        for ours, theirs in zip(rest.logprobs, uncut.logprobs[at:], strict=True):
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)
            # Within a character tokens have no text of their own; its last one is named by the whole of it, or by none.
            assert ours.token == theirs.token or (ours.token, theirs.token) == ("", "🙂")


async def test_several_answers_are_those_that_each_seed_gives_alone(engine: VllmEngine):
    asked = ask("hello", max_tokens=12, temperature=1.0, seed=3)
    async with aclosing(choices(engine, asked, 3, at_once=3)) as pieces:
        together = await wholes(pieces, 3)
    alone = [await whole(engine, replace(asked, seed=3 + number)) for number in range(3)]
    assert [each.text for each in together] == [each.text for each in alone]
    assert len({each.text for each in together}) == 3


async def test_a_call_of_a_tool_comes_whole_and_is_never_gone_on_with(engine: VllmEngine):
    asked = ask("hello", max_tokens=40, tools=offered())
    called = await whole(engine, asked)
    assert [call["function"]["name"] for call in called.tool_calls] == ["weather"]
    with pytest.raises(EngineError, match="ask for it anew"):
        await whole(engine, replace(asked, resume_token_ids=called.token_ids[:2]))
    again = await whole(engine, asked)
    assert [call["function"] for call in again.tool_calls] == [call["function"] for call in called.tool_calls]
