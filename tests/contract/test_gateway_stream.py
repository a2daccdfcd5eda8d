"""How answers pass through the gateway, byte by byte: a real gateway application over nodes that send what we like."""

import asyncio
import contextlib
import json
import socket
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from inference_service.gateway import service
from inference_service.gateway.dispatch import MOST_LOST
from inference_service.gateway.work import FIRST_USUAL_TOKENS, LEARNING_RATE
from tests.contract.node_bytes import (
    CHAT,
    DONE,
    END,
    GOOD,
    HEAD,
    STREAM,
    WHOLE,
    answers,
    chunk,
    cut,
    error_of,
    event,
    refuses,
    sends,
)


async def test_events_arrive_whole_and_without_the_extension(gate: Any, client: aiohttp.ClientSession):
    await gate.node(GOOD)
    async with client.post(CHAT, json=STREAM) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers[contract.HEADER_MODEL_VERSION] == "v1"
        assert await answer.read() == cut("one") + cut("two") + DONE


async def test_an_event_cut_in_pieces_by_the_network_is_put_together(gate: Any, client: aiohttp.ClientSession):
    whole = event("one") + event("two") + DONE
    await gate.node(sends(HEAD, *(chunk(whole[place : place + 7]) for place in range(0, len(whole), 7)), END))
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == cut("one") + cut("two") + DONE


async def test_the_status_line_waits_for_the_first_event(gate: Any, client: aiohttp.ClientSession):
    go = asyncio.Event()
    slow = await gate.node(sends(HEAD, chunk(event("one")[:20]), then=go, last=chunk(event("one")[20:] + DONE) + END))
    waiting = asyncio.ensure_future(client.post(CHAT, json=STREAM))
    await gate.until(lambda: len(slow.requests) == 1)
    await gate.node(GOOD)
    async with client.post(CHAT, json=STREAM) as answer:  # asked later, answered to its end
        await answer.read()
    assert not waiting.done()
    go.set()
    async with await waiting as answer:
        assert (answer.status, await answer.read()) == (200, cut("one") + DONE)


@pytest.mark.parametrize(("code", "status"), [(400, 400), (429, 429), (None, 500), ("text", 500)])
async def test_an_error_as_first_event_becomes_the_status(
    gate: Any, client: aiohttp.ClientSession, code: Any, status: int
):
    error = json.dumps({"error": {"message": "too long", "type": "x", "param": "messages", "code": code}}).encode()
    await gate.node(sends(HEAD, chunk(b"data: " + error + b"\n\n" + DONE), END))
    async with client.post(CHAT, json=STREAM) as answer:
        assert answer.status == status
        assert (await error_of(answer))["message"] == "too long"


@pytest.mark.parametrize("gate", [{"resume": False}], indirect=True)
@pytest.mark.parametrize(
    "last",
    [
        b"",
        END,  # an orderly end, but no [DONE]
        chunk(event("two")[:9]),
    ],
)
async def test_a_stream_that_breaks_ends_with_an_error_event_and_no_done(
    gate: Any, client: aiohttp.ClientSession, last: bytes
):
    go = asyncio.Event()
    await gate.node(sends(HEAD, chunk(event("one")), then=go, last=last, close=True))
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.content.readany() == cut("one")
        go.set()
        rest = await answer.read()
    assert rest.startswith(b"data: ")
    error = json.loads(rest[6:])["error"]
    assert (error["type"], error["code"]) == ("server_error", "stream_interrupted")


@pytest.mark.parametrize("gate", [{"resume": False}], indirect=True)
async def test_a_nodes_own_error_event_is_passed_on_once(gate: Any, client: aiohttp.ClientSession):
    failure = b'data: {"error":{"message":"engine","type":"server_error","param":null,"code":null}}\n\n'
    await gate.node(sends(HEAD, chunk(event("one")), chunk(failure), END))
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == cut("one") + failure


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(close=True),  # before the status line
        sends(HEAD, close=True),  # before the first event
        sends(HEAD, chunk(event("one")[:9]), close=True),  # inside the first event
        sends(HEAD, END),
        sends(b"garbage\r\n\r\n", close=True),
        refuses(503, "node_not_ready"),
        refuses(503, "node_busy"),
        refuses(503, None),
    ],
)
@pytest.mark.parametrize("body", [STREAM, WHOLE])
async def test_a_node_that_fails_before_the_first_byte_is_replaced_by_another(
    gate: Any, client: aiohttp.ClientSession, behaviour: Any, body: dict[str, Any]
):
    bad = await gate.node(behaviour)
    whole = b'{"object":"chat.completion","warmfleet":{"token_ids":[1]}}'
    good = await gate.node(GOOD if body["stream"] else answers(200, whole), in_flight=1)  # so that the bad one is first
    async with client.post(CHAT, json=body) as answer:
        assert answer.status == 200
        streamed = cut("one") + cut("two") + DONE
        assert await answer.read() == (streamed if body["stream"] else b'{"object":"chat.completion"}')
    assert (len(bad.requests), len(good.requests)) == (1, 1)
    assert gate.gateway.fleet.in_flight.total() == 0


async def test_a_node_that_refuses_connections_is_replaced_and_set_aside(gate: Any, client: aiohttp.ClientSession):
    gate.tell("i-nobody", "127.251.255.1")
    good = await gate.node(GOOD, in_flight=1)
    for _ in range(3):
        async with client.post(CHAT, json=STREAM) as answer:
            assert answer.status == 200
    assert len(good.requests) == 3
    views = gate.gateway.fleet.nodes
    assert (views["i-nobody"].routable, views[good.instance_id].routable) == (False, True)
    gate.tell("i-nobody", "127.251.255.1")  # its next good report brings it back
    assert gate.gateway.fleet.nodes["i-nobody"].routable


async def test_a_request_that_takes_nodes_down_does_not_go_round_the_fleet(gate: Any, client: aiohttp.ClientSession):
    nodes = [await gate.node(sends(close=True)) for _ in range(MOST_LOST + 1)]
    async with client.post(CHAT, json=STREAM) as answer:
        assert answer.status == 502
        assert (await error_of(answer))["code"] == "nodes_lost"
    assert sum(len(node.requests) for node in nodes) == MOST_LOST


async def test_nodes_that_are_lost_at_once_do_not_lose_a_request(gate: Any, client: aiohttp.ClientSession):
    for _ in range(MOST_LOST - 1):
        await gate.node(sends(close=True))
    await gate.node(answers(200, b'{"object":"chat.completion"}'), in_flight=1)  # so that it is asked last
    async with client.post(CHAT, json={**STREAM, "stream": False}) as answer:
        assert answer.status == 200


FAILED_EVENT = chunk(b'data: {"error":{"message":"the node\'s own words","code":null}}\n\n' + DONE)


@pytest.mark.parametrize("failure", [refuses(500, "engine_failed"), sends(HEAD, FAILED_EVENT, END), answers(502, b"")])
async def test_an_engine_that_fails_before_the_first_token_is_replaced_by_another_and_stays_for_others(
    gate: Any, client: aiohttp.ClientSession, failure: Any
):
    bad = await gate.node(failure)
    good = await gate.node(GOOD, in_flight=1)
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == cut("one") + cut("two") + DONE
    assert (len(bad.requests), len(good.requests)) == (1, 1)
    assert gate.gateway.fleet.nodes[bad.instance_id].routable


@pytest.mark.parametrize("nodes", [1, MOST_LOST - 1, MOST_LOST + 2])
async def test_the_last_failure_is_passed_on_when_no_node_is_left_or_too_many_have_failed(
    gate: Any, client: aiohttp.ClientSession, nodes: int
):
    failing = [await gate.node(refuses(500, "engine_failed")) for _ in range(nodes)]
    headers = {contract.HEADER_DEADLINE: "30"}  # a wait for other nodes would only be a wait
    async with client.post(CHAT, json=STREAM, headers=headers) as answer:
        assert answer.status == 500
        assert (await error_of(answer))["message"] == "the node's own words"
    assert sum(len(node.requests) for node in failing) == min(nodes, MOST_LOST)


async def test_what_a_node_refuses_as_the_clients_mistake_is_not_asked_of_another(
    gate: Any, client: aiohttp.ClientSession
):
    nodes = [await gate.node(refuses(400, "unsupported_parameter")) for _ in range(2)]
    async with client.post(CHAT, json=STREAM) as answer:
        assert answer.status == 400
    assert sum(len(node.requests) for node in nodes) == 1


async def test_full_nodes_are_a_503_and_with_a_deadline_a_wait(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(refuses(503, "node_busy"), refuses(503, "node_busy"), GOOD)
    async with client.post(CHAT, json=STREAM) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (await error_of(answer))["code"] == "nodes_busy"
    async with client.post(CHAT, json=STREAM, headers={contract.HEADER_DEADLINE: "10"}) as answer:
        assert answer.status == 200
    assert len(node.requests) == 3


async def test_an_answer_that_does_not_begin_before_the_deadline_is_a_504_and_is_given_up(
    gate: Any, client: aiohttp.ClientSession
):
    node = await gate.node(sends(HEAD, then=asyncio.Event()))
    async with client.post(CHAT, json=STREAM, headers={contract.HEADER_DEADLINE: "0.2"}) as answer:
        assert answer.status == 504
        assert (await error_of(answer))["code"] == "deadline_exceeded"
    await asyncio.wait_for(node.left.wait(), 10)


@pytest.mark.parametrize("body", [STREAM, WHOLE])
async def test_a_client_that_leaves_ends_the_work_of_the_node(gate: Any, body: dict[str, Any]):
    node = await gate.node(sends(HEAD, chunk(event("one")) if body["stream"] else b"", then=asyncio.Event()))
    async with aiohttp.ClientSession(base_url=gate.url) as client:
        asking = asyncio.ensure_future(client.post(CHAT, json=body))
        await gate.until(lambda: len(node.requests) == 1)
        if body["stream"]:
            (await asking).close()
        else:
            asking.cancel()
        await asyncio.wait_for(node.left.wait(), 10)
    await gate.until(lambda: gate.gateway.fleet.in_flight.total() == 0)
    assert len(gate.gateway.streams) == 0


async def test_a_client_that_leaves_while_waiting_sends_nothing_to_the_node_that_becomes_warm(gate: Any):
    node = await gate.node(GOOD, state=contract.STATE_LOADING)
    async with aiohttp.ClientSession(base_url=gate.url) as client:
        asking = asyncio.ensure_future(client.post(CHAT, json=STREAM, headers={contract.HEADER_DEADLINE: "30"}))
        await gate.until(lambda: gate.gateway.fleet.waiting == 1)
        asking.cancel()
        await gate.until(lambda: gate.gateway.fleet.waiting == 0)
    gate.tell(node.instance_id, node.host)
    assert node.requests == []


@pytest.mark.parametrize("gate", [{"resume": False}], indirect=True)
async def test_a_silent_node_ends_the_stream_with_an_error(gate: Any, client: aiohttp.ClientSession):
    second, third = asyncio.Event(), asyncio.Event()

    async def behave(node: Any, writer: asyncio.StreamWriter) -> None:
        await sends(HEAD, chunk(event("one")), then=second, last=chunk(event("two")))(node, writer)
        await sends(then=third, last=chunk(event("three")))(node, writer)
        await asyncio.Event().wait()

    node = await gate.node(behave)
    async with client.post(CHAT, json=STREAM) as answer:
        now, streams = asyncio.get_running_loop().time(), gate.gateway.streams
        assert await answer.content.readany() == cut("one")
        streams.break_stalled(now + 50, 60)  # not long enough
        second.set()
        assert await answer.content.readany() == cut("two")
        streams.break_stalled(now + 100, 60)  # moved since the last look
        streams.break_stalled(now + 150, 60)
        third.set()
        assert await answer.content.readany() == cut("three")
        streams.break_stalled(now + 200, 60)
        streams.break_stalled(now + 260, 60)
        rest = await answer.read()
    assert b"stream_interrupted" in rest
    assert b"[DONE]" not in rest
    await asyncio.wait_for(node.left.wait(), 10)


async def test_a_client_that_does_not_read_costs_bounded_memory_and_is_cut_off(gate: Any):
    sent = 0

    async def floods(node: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD)
        while True:
            writer.write(chunk(event("word " * 2000)))
            await writer.drain()
            sent += 10_000

    node = await gate.node(floods)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    host, _, port = gate.url.removeprefix("http://").partition(":")
    body = json.dumps(STREAM).encode()
    with contextlib.closing(client):
        await asyncio.get_running_loop().sock_connect(client, (host, int(port)))
        request = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body)
        await asyncio.get_running_loop().sock_sendall(client, request)
        await gate.until(lambda: any(stream.request.protocol.writing_paused for stream in gate.gateway.streams))
        (stream,) = gate.gateway.streams
        await gate.until(lambda: not stream.content._protocol.transport.is_reading())  # the node is held up too
        assert stream.request.transport.get_write_buffer_size() < 1 << 20
        assert sent < 64 << 20
        now = asyncio.get_running_loop().time()
        gate.gateway.streams.break_stalled(now + 1, 60)
        gate.gateway.streams.break_stalled(now + 100, 60)
        await asyncio.wait_for(node.left.wait(), 10)
    await gate.until(lambda: len(gate.gateway.streams) == 0)


@pytest.mark.parametrize("gate", [{"most_answer_bytes": 1000}], indirect=True)
async def test_a_whole_answer_above_the_limit_is_no_answer(gate: Any, client: aiohttp.ClientSession):
    await gate.node(answers(200, b'{"x":"' + b"x" * 1000 + b'"}'))
    async with client.post(CHAT, json=WHOLE) as answer:
        assert answer.status == 503
        await error_of(answer)


async def test_what_runs_when_the_gateway_must_leave_ends_with_an_error_and_what_waits_with_a_503(
    gate: Any, client: aiohttp.ClientSession
):
    await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    async with client.post(CHAT, json=STREAM) as answer:
        headers = {contract.HEADER_DEADLINE: "30"}
        waiting = asyncio.ensure_future(client.post(CHAT, json=STREAM | {"model": "qwen"}, headers=headers))
        await gate.until(lambda: gate.gateway.fleet.waiting == 1)
        await service.drain(gate.gateway, 0.05)
        body = await answer.read()
    assert body.startswith(cut("one"))
    assert b"stream_interrupted" in body
    async with await waiting as refused:
        assert (refused.status, (await error_of(refused))["code"]) == (503, "stopping")


async def test_a_client_of_http_1_0_gets_the_stream_unchunked(gate: Any):
    await gate.node(GOOD)
    host, _, port = gate.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(STREAM).encode()
    writer.write(b"POST %b HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
    head, _, answer = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.0 200")
    assert answer == cut("one") + cut("two") + DONE


async def test_small_writes_leave_at_once_on_both_sides(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    async with client.post(CHAT, json=STREAM):
        (stream,) = gate.gateway.streams
        for transport in (stream.request.transport, stream.content._protocol.transport):
            assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("body", [STREAM, WHOLE])
async def test_how_long_answers_usually_are_is_learned_from_every_answer(
    gate: Any, client: aiohttp.ClientSession, body: dict[str, Any]
):
    whole = answers(200, b'{"choices":[],"warmfleet":{"token_ids":[7,8,9]}}')
    await gate.node(GOOD if body is STREAM else whole)
    usual, before = gate.gateway.fleet.usual, FIRST_USUAL_TOKENS
    async with client.post(CHAT, json=body) as answer:
        assert (await answer.read()) != b""
    assert usual.of(body["model"]) == before + LEARNING_RATE * (3 - before)
