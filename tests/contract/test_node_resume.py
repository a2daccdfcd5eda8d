"""A node goes on with an answer that another one began, and hands its own answers over: over HTTP, scripted engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from inference_service import contract
from inference_service.node.app import ENGINE, STATUS, create_ready_stub_app
from inference_service.node.engines.stub import StubEngine

MODEL = "smollm2"
CHAT = contract.PATH_CHAT_COMPLETIONS
USAGE = {"include_usage": True}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
HANDOVER = b'data: {"warmfleet":{"handover":true}}'


@pytest.fixture
async def node(request: pytest.FixtureRequest) -> AsyncIterator[tuple[web.Application, aiohttp.ClientSession]]:
    app = create_ready_stub_app(MODEL, version="v1", **getattr(request, "param", {}))
    engine = app[ENGINE]
    assert isinstance(engine, StubEngine)
    engine.supports |= {"json_schema"}  # it holds to none; what matters here is that such answers are not resumable
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
        yield app, http
    await runner.cleanup()


def question(text: str, **options: Any) -> dict[str, Any]:
    given = {"model": MODEL, "stream": True, "stream_options": USAGE, "messages": [{"role": "user", "content": text}]}
    return given | options


async def ask(node: Any, body: dict[str, Any], **headers: str) -> list[bytes]:
    async with node[1].post(CHAT, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return [event for event in (await answer.read()).split(b"\n\n") if event]


def chunks(events: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]


def text_of(events: list[bytes]) -> str:
    deltas = (chunk["choices"][0]["delta"] for chunk in chunks(events) if chunk.get("choices"))
    return "".join(delta.get("content", "") for delta in deltas)


def ids_of(events: list[bytes]) -> list[int]:
    return [token for chunk in chunks(events) for token in chunk["warmfleet"].get("token_ids", [])]


async def resume(node: Any, body: dict[str, Any], received: list[bytes]) -> list[bytes]:
    first = chunks(received)[0]
    ours = {"resume_token_ids": ids_of(received), "id": first["id"], "created": first["created"]}
    return await ask(node, body | {"warmfleet": ours})


def likelihoods_of(events: list[bytes]) -> list[str]:
    logprobs = [chunk["choices"][0]["logprobs"] for chunk in chunks(events) if chunk["choices"]]
    return [each["token"] for one in logprobs if one for each in one["content"]]


OPTIONS = [{}, {"max_tokens": 4}, {"stop": ["four"]}, {"stop": ["o three fo"]}, {"logprobs": True, "stop": ["four"]}]


@pytest.mark.parametrize("options", OPTIONS)
async def test_cut_after_any_event_both_halves_make_one_answer(node: Any, options: dict[str, Any]):
    body = question("one two three four five", **options)
    whole = await ask(node, body)
    for cut in range(1, len(whole) - 2):  # the last ones are the finish, the usage and [DONE]
        joined = whole[:cut] + (rest := await resume(node, body, whole[:cut]))
        assert text_of(joined) == text_of(whole)
        assert ids_of(joined) == ids_of(whole)
        assert likelihoods_of(joined) == likelihoods_of(whole)
        assert chunks(rest)[-1]["usage"] == chunks(whole)[-1]["usage"]
        assert rest[-1] == b"data: [DONE]"
        assert {(chunk["id"], chunk["created"]) for chunk in chunks(joined)} == {
            (chunks(whole)[0]["id"], chunks(whole)[0]["created"])
        }
        assert sum(b'"role"' in event for event in joined) == 1
        finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks(joined) if chunk["choices"]]
        assert finishes == [None] * (len(finishes) - 1) + [chunks(whole)[-2]["choices"][0]["finish_reason"]]


async def test_an_answer_cut_before_its_finish_is_finished_without_another_token(node: Any):
    body = question("one two three", max_tokens=2)
    whole = await ask(node, body)
    rest = await resume(node, body, whole[:2])
    assert (text_of(rest), ids_of(rest)) == ("", [])
    assert chunks(rest)[0]["choices"][0]["finish_reason"] == "length"
    assert node[0][ENGINE].decoded_tokens == 2


async def test_a_node_of_another_version_refuses_and_one_of_the_same_does_not(node: Any):
    body = question("one two") | {"warmfleet": {"resume_token_ids": []}}
    async with node[1].post(CHAT, json=body, headers={contract.HEADER_MODEL_VERSION: "v2"}) as answer:
        assert answer.status == 409
        assert (await answer.json())["error"]["code"] == contract.CODE_OTHER_VERSION
    assert await ask(node, body, **{contract.HEADER_MODEL_VERSION: "v1"})


async def test_tokens_that_are_not_the_engines_own_are_refused(node: Any):
    body = question("one two") | {"warmfleet": {"resume_token_ids": [1]}}
    async with node[1].post(CHAT, json=body) as answer:
        assert answer.status == 400


async def test_an_answer_under_a_schema_comes_at_once_and_cannot_be_gone_on_with(node: Any):
    body = question("one two three", response_format=SCHEMA)
    whole = await ask(node, body)
    assert whole[0].startswith(b":")  # a comment: the connection lives
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks(whole) if chunk["choices"]] == ["stop"]
    assert (text_of(whole), len(ids_of(whole))) == ("one two three", 3)
    ours = {"resume_token_ids": ids_of(whole)[:1]}
    async with node[1].post(CHAT, json=body | {"warmfleet": ours}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == contract.CODE_NOT_RESUMABLE
    assert text_of(await ask(node, body | {"warmfleet": {"resume_token_ids": []}})) == "one two three"


TOOLS = [{"type": "function", "function": {"name": "weather"}}]


@pytest.mark.parametrize("options", [{"tools": TOOLS}, {"n": 2}], ids=["tools", "n"])
async def test_calls_of_tools_and_several_answers_are_held_back_too(node: Any, options: dict[str, Any]):
    body = question("one two three", **options)
    whole = await ask(node, body)
    assert whole[0].startswith(b":")
    first = chunks(whole)[0]["choices"][0]
    assert first["finish_reason"]  # from this event on a gateway keeps all until [DONE]
    ours = {"resume_token_ids": ids_of(whole)[:1]}
    async with node[1].post(CHAT, json=body | {"warmfleet": ours}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, contract.CODE_NOT_RESUMABLE)
    assert chunks(await ask(node, body | {"warmfleet": {"resume_token_ids": []}}))[0]["choices"][0] == first


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - counted by the server
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("node", [{"token_seconds": 0.02}], indirect=True)
async def test_a_stream_is_handed_over_by_its_last_event(node: Any):
    app, _ = node
    body = question("word " * 500)
    asking = asyncio.create_task(ask(node, body))
    await until(lambda: app[ENGINE].decoded_tokens >= 3)
    assert app[STATUS].admission.hand_over_all() == 1
    events = await asking
    assert events[-1] == HANDOVER
    assert len(ids_of(events)) >= 2
    assert app[ENGINE].running == app[STATUS].admission.in_flight == 0


@pytest.mark.parametrize("node", [{"token_seconds": 30, "slots": 1}], indirect=True)
async def test_what_has_not_begun_is_handed_back_with_a_503(node: Any):
    """One request waits for the engine's first token, one for a slot, and one is not streamed."""
    app, http = node

    async def status_of(body: dict[str, Any]) -> tuple[int, str]:
        async with http.post(CHAT, json=body) as answer:
            return answer.status, (await answer.json())["error"]["code"]

    bodies = [question("x"), question("x"), question("x", stream=False)]
    asking = [asyncio.create_task(status_of(body)) for body in bodies]
    await until(lambda: app[STATUS].admission.in_flight == 3)
    app[STATUS].admission.hand_over_all()
    assert await asyncio.gather(*asking) == [(503, contract.CODE_HANDED_OVER)] * 3
    assert app[STATUS].report()["failed"] == 0


@pytest.mark.parametrize("node", [{"token_seconds": 0.02}], indirect=True)
async def test_a_client_that_leaves_is_no_handover(node: Any):
    app, http = node
    async with http.post(CHAT, json=question("word " * 500)) as answer:
        await answer.content.readany()
        answer.close()
    await until(lambda: app[STATUS].admission.in_flight == 0)
    assert app[ENGINE].cancelled == 1
