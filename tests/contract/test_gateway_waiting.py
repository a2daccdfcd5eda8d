"""Clients that wait: what keeps their connection open, how long, and how many of them there may be."""

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from inference_service import contract
from inference_service.gateway import patience, service, waiting
from inference_service.gateway.errors import ApiError
from inference_service.node.chat import COMMENT_SECONDS
from tests.contract.node_bytes import CHAT, DONE, GOOD, HEAD, STREAM, WHOLE, chunk, cut, error_of, event, sends

SOON = {"commit_seconds": 0.05, "comment_seconds": 0.02}
PATIENT = {contract.HEADER_DEADLINE: "30"}


@pytest.mark.parametrize("gate", [SOON], indirect=True)
async def test_a_stream_that_waits_for_a_warm_node_gets_its_status_and_comments_and_then_its_answer(
    gate: Any, client: aiohttp.ClientSession
):
    async with client.post(CHAT, json=STREAM, headers=PATIENT) as answer:
        assert answer.status == 200
        assert contract.HEADER_MODEL_VERSION not in answer.headers  # nobody knows it yet
        for _ in range(3):
            assert (await answer.content.readuntil(b"\n\n")) == waiting.FOR_THE_FIRST_TOKEN
        await gate.node(GOOD)
        rest = await answer.read()
    assert rest.replace(waiting.FOR_THE_FIRST_TOKEN, b"") == cut("one") + cut("two") + DONE
    assert len(gate.gateway.streams) == 0


@pytest.mark.parametrize("gate", [SOON], indirect=True)
async def test_a_refusal_after_the_status_line_is_an_event_and_no_done_follows(
    gate: Any, client: aiohttp.ClientSession
):
    async with client.post(CHAT, json=STREAM, headers={contract.HEADER_DEADLINE: "0.2"}) as answer:
        assert answer.status == 200
        events = (await answer.read()).replace(waiting.FOR_THE_FIRST_TOKEN, b"")
    assert json.loads(events.removeprefix(b"data: "))["error"]["code"] == "no_warm_node"


@pytest.mark.parametrize("gate", [SOON], indirect=True)
async def test_a_gateway_that_leaves_still_answers_the_streams_that_it_has_begun(
    gate: Any, client: aiohttp.ClientSession
):
    async with client.post(CHAT, json=STREAM, headers=PATIENT) as answer:
        await answer.content.readuntil(b"\n\n")
        leaving = asyncio.ensure_future(service.drain(gate.gateway, 20))
        await gate.until(lambda: gate.gateway.fleet.closing)
        await gate.node(GOOD)
        assert (await answer.read()).endswith(DONE)
        await leaving


@pytest.mark.parametrize("gate", [SOON], indirect=True)
async def test_the_openai_sdk_reads_a_stream_through_a_whole_cold_start(gate: Any):
    async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="none", max_retries=0) as sdk:
        asking = sdk.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "x"}], stream=True, extra_headers=PATIENT
        )
        stream = await asking
        gate.tell("i-cold", "127.251.255.9", state=contract.STATE_DOWNLOADING)
        gate.tell("i-cold", "127.251.255.9", state=contract.STATE_LOADING)
        await gate.node(GOOD)
        texts = [each.choices[0].delta.content async for each in stream]
    assert texts == ["one", "two"]


@pytest.mark.failures
@pytest.mark.timeout(200)
async def test_the_openai_sdk_waits_ninety_seconds_for_its_first_token(gate: Any):
    async def slow(node: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(90)
        await GOOD(node, writer)

    await gate.node(slow)
    async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="none", max_retries=0) as sdk:
        asked = asyncio.get_running_loop().time()
        stream = await sdk.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "x"}], stream=True
        )
        begun = asyncio.get_running_loop().time()
        texts = [each.choices[0].delta.content async for each in stream]
    assert texts == ["one", "two"]
    assert 19 <= begun - asked < 40  # well within the 60 s after which a load balancer gives up


async def test_a_client_may_set_its_own_limits_for_silence_and_for_the_whole(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    headers = {contract.HEADER_SILENCE_TIMEOUT: "20", contract.HEADER_TOTAL_TIMEOUT: "100"}
    async with client.post(CHAT, json=STREAM, headers=headers) as answer:
        await answer.content.readany()
        (stream,) = gate.gateway.streams
        assert stream.silence == 20
        gate.gateway.streams.break_stalled(asyncio.get_running_loop().time() + 101, 60)
        events = await answer.read()
    assert json.loads(events.removeprefix(b"data: "))["error"]["code"] == "deadline_exceeded"


async def test_silence_beyond_the_clients_limit_breaks_the_nodes_stream(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    headers = {contract.HEADER_SILENCE_TIMEOUT: "20"}
    async with client.post(CHAT, json=STREAM, headers=headers) as answer:
        await answer.content.readany()
        now, (stream,) = asyncio.get_running_loop().time(), gate.gateway.streams
        gate.gateway.streams.break_stalled(now, 60)
        gate.gateway.streams.break_stalled(now + 19, 60)
        assert stream.content is not None
        assert stream.content.exception() is None
        gate.gateway.streams.break_stalled(now + 21, 60)
        await gate.until(lambda: len(node.requests) == 2)  # no other node is there to go on


@pytest.mark.parametrize(("given", "stays"), [({contract.HEADER_SILENCE_TIMEOUT: "20"}, True), ({}, False)])
async def test_a_client_that_waits_less_than_usual_takes_no_silent_node_away_from_others(
    gate: Any, client: aiohttp.ClientSession, given: dict[str, str], stays: bool
):
    silent = await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    async with client.post(CHAT, json=STREAM, headers=given) as answer:
        await answer.content.readany()
        second = await gate.node(GOOD)
        now = asyncio.get_running_loop().time()
        gate.gateway.streams.break_stalled(now, 60)
        gate.gateway.streams.break_stalled(now + (21 if given else 61), 60)
        assert (await answer.read()).endswith(DONE)
    assert len(second.requests) == 1, "the answer did not go on elsewhere"
    assert gate.gateway.fleet.nodes[silent.instance_id].routable is stays


async def test_a_client_that_gives_nodes_no_time_to_connect_takes_none_away_from_others(
    gate: Any, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "LEAST_CONNECT_SECONDS", 0.0)  # else loopback is always fast enough
    nodes = [await gate.node(GOOD) for _ in range(3)]
    async with client.post(CHAT, json=STREAM, headers={contract.HEADER_CONNECT_TIMEOUT: "0.000001"}) as answer:
        assert answer.status == 504
        assert contract.HEADER_CONNECT_TIMEOUT in (await error_of(answer))["message"]
    assert all(gate.gateway.fleet.nodes[node.instance_id].routable for node in nodes)
    async with client.post(CHAT, json=STREAM) as answer:
        assert (await answer.read()).endswith(DONE)


async def test_a_whole_answer_ends_with_its_total_time(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(then=asyncio.Event()))
    async with client.post(CHAT, json=WHOLE, headers={contract.HEADER_TOTAL_TIMEOUT: "0.1"}) as answer:
        assert answer.status == 504
        assert (await error_of(answer))["code"] == "deadline_exceeded"


async def test_all_wrong_limits_are_named_at_once(gate: Any, client: aiohttp.ClientSession):
    headers = {contract.HEADER_DEADLINE: "soon", contract.HEADER_TOTAL_TIMEOUT: "-1"}
    async with client.post(CHAT, json=STREAM, headers=headers) as answer:
        assert answer.status == 400
        message = (await error_of(answer))["message"]
    assert contract.HEADER_DEADLINE in message
    assert contract.HEADER_TOTAL_TIMEOUT in message


@pytest.mark.parametrize(
    ("name", "asked", "granted"),
    [
        (contract.HEADER_DEADLINE, "7000", 600.0),
        (contract.HEADER_DEADLINE, "0", 0.0),
        (contract.HEADER_CONNECT_TIMEOUT, "60", patience.LONGEST_CONNECT_SECONDS),
        (contract.HEADER_SILENCE_TIMEOUT, "1e9", patience.LONGEST_SILENCE_SECONDS),
        (contract.HEADER_TOTAL_TIMEOUT, "0.5", 0.5),
        (contract.HEADER_CONNECT_TIMEOUT, "0.000001", patience.LEAST_CONNECT_SECONDS),
        (contract.HEADER_SILENCE_TIMEOUT, "0.001", patience.LEAST_SILENCE_SECONDS),
    ],
)
def test_each_limit_has_a_limit(name: str, asked: str, granted: float):
    read = patience.read({name: asked}, 600)
    assert granted in (read.begin, read.connect, read.silence, read.total)


def test_no_client_takes_a_held_back_answer_for_silence():
    assert patience.LEAST_SILENCE_SECONDS > COMMENT_SECONDS


@pytest.mark.parametrize("asked", ["0", "inf", "nan", "-1", "", "a"])
def test_a_limit_that_is_no_time_is_refused(asked: str):
    with pytest.raises(ApiError, match=contract.HEADER_CONNECT_TIMEOUT):
        patience.read({contract.HEADER_CONNECT_TIMEOUT: asked}, 600)


@pytest.mark.parametrize(
    "gate", [{"most_waiting_tokens": 600}, {"most_waiting_bytes": 130}], indirect=True, ids=["tokens", "bytes"]
)
async def test_more_work_than_may_wait_is_refused_with_the_figures(gate: Any, client: aiohttp.ClientSession):
    first = [asyncio.ensure_future(client.post(CHAT, json=STREAM, headers=PATIENT)) for _ in range(2)]
    await gate.until(lambda: gate.gateway.fleet.waiting == len(first) or any(each.done() for each in first))
    if not any(each.done() for each in first):
        first.append(asyncio.ensure_future(client.post(CHAT, json=STREAM, headers=PATIENT)))
    done, waits = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    async with done.pop().result() as refused:
        assert refused.status == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        error = await error_of(refused)
    assert error["code"] == "queue_full"
    assert ("limit 600" in error["message"]) or ("limit 130" in error["message"])
    await gate.node(*[GOOD] * len(waits))
    for each in waits:
        async with await each as answer:
            assert (await answer.read()).endswith(DONE)
    assert (gate.gateway.fleet.waiting, gate.gateway.fleet.waiting_tokens, gate.gateway.fleet.waiting_bytes) == (
        0,
        0,
        0,
    )
