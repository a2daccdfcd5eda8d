"""The node's HTTP surface, with the scripted engine: the OpenAI SDK understands it, and so does the gateway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web

from inference_service import contract
from inference_service.node.app import ENGINE, STATUS, create_ready_stub_app
from inference_service.node.engines.protocol import Generation
from inference_service.node.engines.stub import FAILING_WORD, StubEngine

MODEL = "smollm2"


class Node:
    """A ready node on loopback."""

    def __init__(self, app: web.Application, url: str) -> None:
        engine = app[ENGINE]
        assert isinstance(engine, StubEngine)
        self.status, self.engine, self.url = app[STATUS], engine, url

    async def until_in_flight(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.status.admission.in_flight != count:  # noqa: ASYNC110 - counted by the server
                await asyncio.sleep(0.005)


@pytest.fixture
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    app = create_ready_stub_app(MODEL, version="v1", **getattr(request, "param", {}))
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Node(app, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


@pytest.fixture
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=node.url) as session:
        yield session


@pytest.fixture
async def sdk(node: Node) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{node.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def question(text: str, **options: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **options}


async def test_the_sdk_reads_a_whole_answer(sdk: openai.AsyncOpenAI):
    answer = await sdk.chat.completions.create(**question("one two three", max_tokens=2))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one two", "length")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 2, 5)


async def test_the_sdk_reads_a_stream_with_usage(sdk: openai.AsyncOpenAI):
    stream = await sdk.chat.completions.create(
        **question("one two"), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None, None, "stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2
    assert len({chunk.id for chunk in chunks}) == 1


WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


async def test_several_answers_share_one_prompt_and_one_usage(sdk: openai.AsyncOpenAI):
    asked = question("one two three", n=3, max_tokens=2)
    answer = await sdk.chat.completions.create(**asked)
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [(i, "one two") for i in range(3)]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 6, 9)
    stream = await sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    seen = [(one.index, one.delta.role, one.delta.content, one.finish_reason) for c in chunks for one in c.choices]
    assert seen == [(index, "assistant", "one two", "length") for index in range(3)]
    assert chunks[-1].usage == answer.usage


async def test_a_failure_in_one_of_several_answers_is_the_failure_of_all(node: Node, sdk: openai.AsyncOpenAI):
    with pytest.raises(openai.InternalServerError):
        await sdk.chat.completions.create(**question(f"one {FAILING_WORD}", n=2))
    assert node.engine.running == 0


async def test_likelihoods_come_beside_their_tokens(sdk: openai.AsyncOpenAI):
    answer = await sdk.chat.completions.create(**question("one two", logprobs=True, top_logprobs=1))
    assert answer.choices[0].logprobs is not None
    said = answer.choices[0].logprobs.content or []
    assert [(each.token, each.bytes, [top.token for top in each.top_logprobs]) for each in said] == [
        ("one", list(b"one"), ["one"]),
        (" two", list(b" two"), [" two"]),
    ]
    stream = await sdk.chat.completions.create(**question("one two", logprobs=True), stream=True)
    chunks = [chunk.choices[0] async for chunk in stream]
    streamed = [each.token for chunk in chunks if chunk.logprobs for each in chunk.logprobs.content or []]
    assert streamed == ["one", " two"]


async def test_a_tool_is_called_in_one_piece(sdk: openai.AsyncOpenAI):
    answer = await sdk.chat.completions.create(**question("in Rome", tools=[WEATHER]))
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    call = (choice.message.tool_calls or [])[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"text": "in Rome"})
    stream = await sdk.chat.completions.create(**question("in Rome", tools=[WEATHER]), stream=True)
    chunks = [chunk.choices[0] async for chunk in stream]
    assert [chunk.finish_reason for chunk in chunks] == ["tool_calls"]
    streamed = (chunks[0].delta.tool_calls or [])[0]
    assert streamed.function is not None
    assert (streamed.id, streamed.function.arguments) == (call.id, call.function.arguments)


async def test_every_chunk_ends_with_its_token_ids(http: aiohttp.ClientSession):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("one two", stream=True)) as answer:
        assert answer.headers[contract.HEADER_MODEL_VERSION] == "v1"
        events = [line for line in (await answer.read()).split(b"\n\n") if line]
    assert events[-1] == b"data: [DONE]"
    ids: list[int] = []
    for event in events[:-1]:
        cut = event.rindex(b',"warmfleet":{')
        assert json.loads(event[6:cut] + b"}")  # what the gateway passes on
        ids += json.loads(event[6:])[contract.CHUNK_EXTENSION][contract.CHUNK_TOKEN_IDS]
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("one two")) as answer:
        whole = await answer.json()
    assert list(whole)[-1] == contract.CHUNK_EXTENSION
    assert whole[contract.CHUNK_EXTENSION][contract.CHUNK_TOKEN_IDS] == ids
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (question("x") | {"model": "gpt-9"}, 404, "model", "model_not_found"),
        (question("x", n=9), 400, "n", None),
        (question("x", tools=[{"type": "function"}]), 400, "tools[0]", None),
        (question("x", reasoning_effort="high"), 400, "reasoning_effort", "unsupported_parameter"),
        (question("x", response_format={"type": "json_object"}), 400, "response_format", "unsupported_parameter"),
        ({"model": MODEL, "messages": []}, 400, "messages", None),
        ([], 400, None, None),
    ],
)
async def test_refusals_have_openais_shape(
    http: aiohttp.ClientSession, body: Any, status: int, param: str | None, code: str | None
):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=body) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["param"], error["code"]) == (status, param, code)
        assert error["type"] == "invalid_request_error"
        assert error["message"]


async def test_the_sdk_raises_its_own_errors(sdk: openai.AsyncOpenAI):
    with pytest.raises(openai.NotFoundError) as lost:
        await sdk.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    assert lost.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        await sdk.chat.completions.create(**question("x", top_logprobs=3))


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/files", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_what_is_not_there_is_refused_in_the_same_shape(
    http: aiohttp.ClientSession, method: str, path: str, status: int
):
    async with http.request(method, path) as answer:
        assert answer.status == status
        assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}


async def test_the_request_id_comes_back(http: aiohttp.ClientSession):
    for given in ({contract.HEADER_REQUEST_ID: "mine"}, {}):
        async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("x"), headers=given) as answer:
            assert answer.headers[contract.HEADER_REQUEST_ID].startswith(given.get(contract.HEADER_REQUEST_ID, "req-"))


@pytest.mark.parametrize("node", [{"token_seconds": 0.01}], indirect=True)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_decoding(node: Node, stream: bool):
    async with aiohttp.ClientSession(base_url=node.url) as http:
        call = http.post(contract.PATH_CHAT_COMPLETIONS, json=question("word " * 1000, stream=stream))
        task = asyncio.create_task(call.__aenter__())
        async with asyncio.timeout(10):
            while node.engine.decoded_tokens < 3:  # noqa: ASYNC110 - counted by the engine
                await asyncio.sleep(0.005)
        if stream:
            (await task).close()
        else:
            task.cancel()
        await node.until_in_flight(0)
    assert node.engine.cancelled == 1
    assert node.engine.running == 0
    assert node.engine.decoded_tokens < 900


async def test_a_failure_before_the_first_token_keeps_its_status(http: aiohttp.ClientSession):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question(FAILING_WORD, stream=True)) as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["type"] == "server_error"


async def test_a_failure_in_mid_answer_is_an_event_and_no_done(http: aiohttp.ClientSession):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question(f"one {FAILING_WORD}", stream=True)) as answer:
        text = await answer.text()
    assert '"error"' in text
    assert "[DONE]" not in text


@pytest.mark.parametrize("node", [{"token_seconds": 0.02, "slots": 1, "queue": 1}], indirect=True)
async def test_beyond_slots_and_queue_a_node_says_no(node: Node, http: aiohttp.ClientSession):
    def ask() -> "asyncio.Task[int]":
        async def call() -> int:
            async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("word " * 10)) as answer:
                await answer.read()
                return answer.status

        return asyncio.create_task(call())

    accepted = [ask(), ask()]
    await node.until_in_flight(2)
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("x")) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (await answer.json())["error"]["code"] == "node_busy"
    assert node.engine.running == 1  # one slot: the other one waits
    assert await asyncio.gather(*accepted) == [200, 200]


@pytest.mark.parametrize("state", [state for state in contract.NODE_STATES if state != contract.STATE_READY])
async def test_only_a_ready_node_takes_work(node: Node, http: aiohttp.ClientSession, state: str):
    node.status.state = state
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("x")) as answer:
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    async with http.get(contract.PATH_READY) as answer:
        assert answer.status == 503
    async with http.get(contract.PATH_HEALTH) as answer:
        assert (answer.status, await answer.json()) == (200, {"state": state})


async def test_the_readiness_report_has_every_member_that_gateways_read(http: aiohttp.ClientSession):
    async with http.get(contract.PATH_READY) as answer:
        report = await answer.json()
    assert answer.status == 200
    assert (report["state"], report["model"], report["version"], report["in_flight"], report["slots"]) == (
        contract.STATE_READY,
        MODEL,
        "v1",
        0,
        4,
    )
    assert tuple(report["warm_up_seconds"]) == contract.WARM_UP_PHASES
    assert {"instance_id", "manifest_sha256", "error", "engine", "pid"} <= set(report)


async def test_the_figures_count_tokens_and_name_the_state(http: aiohttp.ClientSession):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("one two three")) as answer:
        await answer.read()
    async with http.get(contract.PATH_METRICS) as answer:
        lines = (await answer.text()).splitlines()
    assert f"{contract.METRIC_NODE_TOKENS}_total 3.0" in lines
    assert f'{contract.METRIC_NODE_STATE}{{state="ready"}} 1.0' in lines
    assert f'{contract.METRIC_NODE_STATE}{{state="draining"}} 0.0' in lines
    assert f"{contract.METRIC_NODE_IN_FLIGHT} 0.0" in lines
    assert f'{contract.METRIC_NODE_JOBS}_total{{outcome="completed"}} 0.0' in lines


async def test_answers_are_counted_since_the_version_was_loaded_and_the_engines_failures_apart(
    node: Node, sdk: openai.AsyncOpenAI
):
    def counted() -> tuple[int, int]:
        report = node.status.report()
        return report["answered"], report["failed"]

    await sdk.chat.completions.create(**question("one two"))
    assert counted() == (1, 0)
    with pytest.raises(openai.APIError):
        await sdk.chat.completions.create(**question(FAILING_WORD))
    with pytest.raises(openai.APIError):
        async for _ in await sdk.chat.completions.create(**question(f"one {FAILING_WORD}"), stream=True):
            pass
    assert counted() == (3, 2)
    with pytest.raises(openai.BadRequestError):
        await sdk.chat.completions.create(**question("one", top_logprobs=3))
    assert counted() == (3, 2)
    assert node.status.loaded
    node.status.serve(node.status.loaded)
    assert counted() == (0, 0)


async def test_a_prompt_longer_than_the_context_is_refused_before_it_queues(node: Node, http: aiohttp.ClientSession):
    node.engine.context_tokens = 300
    async with contextlib.AsyncExitStack() as taken:
        for _ in range(node.status.admission.slots):
            await taken.enter_async_context(node.status.admission.slot())
        body = question("word " * 400)
        async with asyncio.timeout(5), http.post(contract.PATH_CHAT_COMPLETIONS, json=body) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
    assert "300 tokens" in error["message"]
    assert "400 tokens" in error["message"]


async def test_a_prompt_that_surely_fits_is_not_counted_twice(
    node: Node, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    counted, count = 0, node.engine.prompt_tokens

    async def counts(request: Generation) -> int:
        nonlocal counted
        counted += 1
        return await count(request)

    monkeypatch.setattr(node.engine, "prompt_tokens", counts)
    node.engine.context_tokens = 300
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=question("a few words")) as answer:
        assert answer.status == 200
    assert counted == 1  # by the stub itself


@pytest.mark.parametrize("with_tools", [True, False])
async def test_a_prompt_that_offers_tools_or_tells_of_calls_is_always_counted(
    node: Node, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, with_tools: bool
):
    """How a template writes them is not known before."""

    async def long(request: Generation) -> int:
        return 400

    monkeypatch.setattr(node.engine, "prompt_tokens", long)
    node.engine.context_tokens = 300
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    told = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    body = question("x", tools=[WEATHER]) if with_tools else question("x") | {"messages": told}
    async with http.post(contract.PATH_CHAT_COMPLETIONS, json=body) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"model": "smollm2", "\\ud800": 1}', "half a surrogate pair"),
        (b'{"model": "smollm2", "\xed\xa0\x80": 1}', "half a surrogate pair"),
        (b'{"model": "smollm2", "messages": [{"role": "user", "content": "\\uD83D!"}]}', "half a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{", "no JSON"),
    ],
)
async def test_a_body_that_breaks_a_reader_of_json_is_the_clients_fault_and_no_failure_of_the_node(
    node: Node, http: aiohttp.ClientSession, body: bytes, told: str
):
    async with http.post(contract.PATH_CHAT_COMPLETIONS, data=body) as answer:
        assert answer.status == 400
        assert told in (await answer.json())["error"]["message"]
    assert node.status.failed == 0


async def test_a_character_of_two_halves_is_one(http: aiohttp.ClientSession):
    body = b'{"model": "smollm2", "messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}'
    async with http.post(contract.PATH_CHAT_COMPLETIONS, data=body) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"] == "\U0001f600"
