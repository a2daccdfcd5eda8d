"""The vLLM engine against what vLLM 0.32 said when it was recorded: `make record-vllm` records it anew."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from inference_service.node import answer
from inference_service.node.engines.protocol import EngineError, EngineLoad, Generation, Piece
from inference_service.node.engines.vllm import VllmEngine
from tests.contract.replayed_vllm import ReplayedVllm, engine_over, text_of
from tests.real_vllm.cases import CASES, LONG, PLAIN, SEAMS
from tests.real_vllm.exchanges import RECORDED, read

TEXT = " gusa nu divi no zi ne bizi smile🙂"  # what the recorded model says to "hello", in twelve tokens
TOKENS = (345, 295, 333, 294, 323, 292, 328, 396, 240, 159, 153, 130)
ROME = {"name": "weather", "arguments": '{"city": "Rome"}'}


@pytest.fixture
def vllm() -> ReplayedVllm:
    return ReplayedVllm()


@pytest.fixture
async def engine(vllm: ReplayedVllm, tmp_path: Path) -> AsyncIterator[VllmEngine]:
    async with engine_over(vllm, tmp_path) as engine:
        yield engine
    assert vllm.unknown == []


async def pieces_of(engine: VllmEngine, asked: Generation) -> list[Piece]:
    async with aclosing(engine.generate(asked)) as pieces:
        return [piece async for piece in pieces]


async def outcome(engine: VllmEngine, asked: Generation) -> list[Piece] | EngineError:
    try:
        return await pieces_of(engine, asked)
    except EngineError as error:
        return error


async def whole(engine: VllmEngine, vllm: ReplayedVllm, case: str) -> Piece:
    vllm.play(case)
    seen = answer.joined(await pieces_of(engine, CASES[case]))
    assert vllm.left == []
    return seen


async def test_an_answer_is_its_text_and_its_tokens(engine: VllmEngine, vllm: ReplayedVllm):
    seen = await whole(engine, vllm, "answer")
    assert (seen.text, seen.token_ids, seen.finish) == (TEXT, TOKENS, "length")
    assert (seen.prompt_tokens, seen.completion_tokens) == (24, 12)


async def test_tokens_come_with_their_text_or_before_it(engine: VllmEngine, vllm: ReplayedVllm):
    """Of a character that is not whole yet; one event may hold several tokens, the last of them half a character."""
    vllm.play("character_of_several_tokens")
    text, tokens = "", []
    for piece in await pieces_of(engine, CASES["character_of_several_tokens"]):
        text, tokens = text + piece.text, [*tokens, *piece.token_ids]
        assert text_of(tokens).rstrip("\ufffd") == text
    assert "🙂" in text


async def test_an_answer_ends_with_the_token_for_its_end(engine: VllmEngine, vllm: ReplayedVllm):
    seen = await whole(engine, vllm, "answer_to_its_end")
    assert (seen.finish, seen.completion_tokens, len(seen.token_ids)) == ("stop", 12, 12)


@pytest.mark.parametrize("case", ["sampled_with_a_seed", "penalties"])
async def test_sampling_options_are_vllms_own(engine: VllmEngine, vllm: ReplayedVllm, case: str):
    seen = await whole(engine, vllm, case)
    assert seen.text
    assert seen.completion_tokens == len(seen.token_ids)


async def test_an_answer_under_a_schema_holds_to_it(engine: VllmEngine, vllm: ReplayedVllm):
    assert json.loads((await whole(engine, vllm, "json_schema")).text) == {"city": "Paris", "warm": False}


async def test_likelihoods_stand_beside_their_tokens(engine: VllmEngine, vllm: ReplayedVllm):
    seen = await whole(engine, vllm, "likelihoods")
    assert len(seen.logprobs) == len(seen.token_ids) == 12
    assert "".join(each.token for each in seen.logprobs[:8]) == " gusa nu divi no zi ne bizi smile"
    for each in seen.logprobs:
        assert each.top[0] == (each.token, each.logprob)  # at temperature 0 the likeliest one is taken
        assert each.top[0][1] >= each.top[1][1]
        assert len(each.top) == 2


async def test_likelihoods_of_the_tokens_alone_name_no_others(engine: VllmEngine, vllm: ReplayedVllm):
    seen = await whole(engine, vllm, "likelihoods_of_the_tokens_alone")
    assert [each.top for each in seen.logprobs] == [()] * len(seen.token_ids)
    assert all(each.logprob < 0 for each in seen.logprobs)


@pytest.mark.parametrize(
    ("case", "finish"),
    [
        ("tool_called", "tool_calls"),
        ("tool_called_with_likelihoods", "tool_calls"),
        ("tool_required", "tool_calls"),
        ("tool_named", "stop"),  # as OpenAI has it
    ],
)
async def test_a_call_of_a_tool_comes_in_one_piece(engine: VllmEngine, vllm: ReplayedVllm, case: str, finish: str):
    vllm.play(case)
    pieces = await pieces_of(engine, CASES[case])
    assert vllm.left == []
    assert all(not piece.tool_calls and not piece.text for piece in pieces[:-1])
    last = pieces[-1]
    assert (last.finish, [call["function"] for call in last.tool_calls]) == (finish, [ROME])
    assert last.tool_calls[0]["id"]
    assert last.completion_tokens == sum(len(piece.token_ids) for piece in pieces)
    likelihoods = sum(len(piece.logprobs) for piece in pieces)
    assert likelihoods == (last.completion_tokens if CASES[case].top_logprobs else 0)


async def test_a_call_that_is_cut_short_says_so(engine: VllmEngine, vllm: ReplayedVllm):
    assert (await whole(engine, vllm, "tool_call_cut_short")).finish == "length"


async def test_a_tools_result_is_read_by_the_models_own_template(engine: VllmEngine, vllm: ReplayedVllm):
    seen = await whole(engine, vllm, "result_of_a_tool")
    assert seen.text
    assert seen.tool_calls == ()


@pytest.mark.parametrize(
    ("case", "status", "param", "code"),
    [
        ("prompt_too_long", 400, "messages", "context_length_exceeded"),
        ("bad_parameter", 400, "top_p", None),
        ("bad_schema", 400, None, None),  # said in the stream, behind a 200
    ],
)
async def test_a_refusal_keeps_its_status(
    engine: VllmEngine, vllm: ReplayedVllm, case: str, status: int, param: str | None, code: str | None
):
    with pytest.raises(EngineError) as refused:
        await whole(engine, vllm, case)
    assert (refused.value.status, refused.value.param, refused.value.code) == (status, param, code)


async def rest(engine: VllmEngine, vllm: ReplayedVllm, case: str) -> tuple[Piece, str]:
    """The answer after its first tokens, joined; and the text of those."""
    of, received = SEAMS[case]
    vllm.play(case)
    tokens = TOKENS[:received]
    asked = Generation(**{**vars(of), "resume_token_ids": tokens})
    return answer.joined(await pieces_of(engine, asked)), await engine.received_text(asked)


async def test_an_answer_goes_on_after_its_tokens_and_is_counted_as_one(engine: VllmEngine, vllm: ReplayedVllm):
    seen, before = await rest(engine, vllm, "rest_of_an_answer")
    assert (before + seen.text, seen.token_ids) == (TEXT, TOKENS[5:])
    assert (seen.prompt_tokens, seen.completion_tokens) == (24, 12)


async def test_an_answer_goes_on_from_within_a_character(engine: VllmEngine, vllm: ReplayedVllm):
    """vLLM writes the whole prompt before the character there: none of that may reach the client."""
    assert any("assistant: gusa" in line for line in read("rest_from_within_a_character").exchanges[-1].lines)
    seen, _ = await rest(engine, vllm, "rest_from_within_a_character")
    assert seen.text.startswith("🙂 ro fatu")


async def test_likelihoods_go_on_over_the_seam(engine: VllmEngine, vllm: ReplayedVllm):
    without = await whole(engine, vllm, "likelihoods")
    seen, _ = await rest(engine, vllm, "rest_with_likelihoods")
    assert [each.token for each in seen.logprobs] == [each.token for each in without.logprobs[5:]]
    for ours, theirs in zip(seen.logprobs, without.logprobs[5:], strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)


async def test_health_and_figures_are_where_the_node_looks(engine: VllmEngine, vllm: ReplayedVllm):
    vllm.play("health_and_figures")
    async with engine._client().get("/health") as health, engine._client().get("/v1/models") as models:
        assert health.status == 200
        assert (await models.json())["data"][0]["max_model_len"] == engine.context_tokens
    assert await engine.busy() == EngineLoad(0, 0, 0.0)


async def test_an_answer_that_vllm_gives_up_when_it_is_ended_is_a_failure(engine: VllmEngine, vllm: ReplayedVllm):
    """Without time to finish it either says "abort", with usage after it, or nothing more: seen both."""
    vllm.play("sigterm_in_an_answer")
    with pytest.raises(EngineError, match=r"gave up an answer: abort|broke off") as failed:
        await pieces_of(engine, LONG)
    assert failed.value.status == 500


async def test_beyond_its_limits_vllm_refuses_in_the_stream(engine: VllmEngine, vllm: ReplayedVllm):
    """HTTP status 200, then an error event with 503: what a gateway may try elsewhere."""
    recording = vllm.play("overload")
    asked = [exchange for exchange in recording.exchanges if exchange.path == "/v1/completions"]
    seen = [await outcome(engine, PLAIN) for _ in asked]
    assert vllm.left == []
    refusals = [error.status for error in seen if isinstance(error, EngineError)]
    assert refusals == [503] * sum('"code": 503' in exchange.lines[0] for exchange in asked)
    assert 0 < len(refusals) < len(asked)
    assert {answer.joined(each).text for each in seen if not isinstance(each, EngineError)} == {TEXT}


async def test_a_vllm_that_stops_finishes_what_runs_and_fails_what_comes_while_its_health_is_good(
    engine: VllmEngine, vllm: ReplayedVllm
):
    vllm.play("sigterm_with_time_to_finish")
    assert (await pieces_of(engine, LONG))[-1].finish == "stop"
    with pytest.raises(EngineError) as failed:
        await pieces_of(engine, PLAIN)
    assert failed.value.status == 500
    async with engine._client().get("/health") as health:
        assert health.status == 200


STOPPED = ("sigterm_in_an_answer", "sigterm_with_time_to_finish")


def test_all_that_is_recorded_is_played_here_and_is_of_the_version_that_nodes_run():
    pins = (Path(__file__).parents[2] / "requirements" / "vllm.in").read_text()
    assert {path.stem for path in RECORDED.glob("*.json")} == {
        "health_and_figures",
        "overload",
        *STOPPED,
        *CASES,
        *SEAMS,
    }
    assert all(f"vllm=={read(path.stem).vllm}\n" in pins for path in RECORDED.glob("*.json"))
