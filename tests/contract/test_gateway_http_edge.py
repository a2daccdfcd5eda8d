"""HTTP that is broken, ambiguous, slow or too much: refused in OpenAI's shape, and nothing is held for it."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from tests.contract.node_bytes import CHAT, HEAD, STREAM, WHOLE, answers, chunk, event, sends

ANSWER = answers(200, b"{}")


async def raw(gate: Any, request: bytes) -> bytes:
    """What the gateway sends until it closes the connection."""
    host, _, port = gate.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"x-%d: 1\r\n" % number for number in range(200)) + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
async def test_what_is_no_acceptable_http_is_refused_in_the_same_shape(gate: Any, request_bytes: bytes):
    head, _, body = (await raw(gate, request_bytes)).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert json.loads(body)["error"]["code"] == "bad_http"
    assert b"x-request-id: req-" in head.lower()


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(json.dumps(WHOLE)), json.dumps(WHOLE).encode())
SIZED = b"Content-Length: %d\r\n" % len(json.dumps(WHOLE))


@pytest.mark.parametrize(
    ("lines", "body", "version", "status"),
    [
        (SIZED, None, b"1.1", 200),
        (b"Transfer-Encoding: chunked\r\n", CHUNKED, b"1.1", 200),
        (SIZED + SIZED, None, b"1.1", 400),
        (SIZED + b"Content-Length: 5\r\n", None, b"1.1", 400),
        (SIZED + b"Transfer-Encoding: chunked\r\n", CHUNKED, b"1.1", 400),
        (SIZED + b"Transfer-Encoding : chunked\r\n", None, b"1.1", 400),
        (b"Transfer-Encoding: identity, chunked\r\n", CHUNKED, b"1.1", 400),
        (b"Transfer-Encoding: xchunked\r\n", CHUNKED, b"1.1", 400),
        (b"Transfer-Encoding: chunked\r\n", CHUNKED, b"1.0", 400),
        (SIZED + b"X-A: a\n", None, b"1.1", 400),
        (SIZED + b"X-A: a\r\n b\r\n", None, b"1.1", 400),
        (SIZED + b"X-A: a\0b\r\n", None, b"1.1", 400),
        (SIZED + b"Host: y\r\n", None, b"1.1", 400),
        (SIZED + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", None, b"1.1", 400),
        (SIZED + b"Idempotency-Key: a\r\nidempotency-key: b\r\n", None, b"1.1", 400),
        (SIZED + b"Content-Encoding: gzip\r\n", None, b"1.1", 415),
        (SIZED + b"Expect: 200-ok\r\n", None, b"1.1", 417),
    ],
)
async def test_a_request_that_two_parsers_could_read_differently_is_refused(
    gate: Any, lines: bytes, body: bytes | None, version: bytes, status: int
):
    node = await gate.node(ANSWER)
    head = b"POST %b HTTP/%b\r\nHost: x\r\nConnection: close\r\n%b\r\n" % (CHAT.encode(), version, lines)
    told = await raw(gate, head + (body or json.dumps(WHOLE).encode()))
    assert told.split(b" ", 2)[1] == b"%d" % status, told
    assert len(node.requests) == (status == 200)
    if status != 200:
        assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["message"]
        assert b"x-request-id: req-" in told.lower()


@pytest.mark.parametrize("gate", [{"most_open": 2}], indirect=True)
async def test_more_requests_than_a_gateway_may_have_open_are_refused_with_when_to_come_back(
    gate: Any, client: aiohttp.ClientSession
):
    go_on = asyncio.Event()

    async def waits(node: Any, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await ANSWER(node, writer)

    node = await gate.node(waits)
    asking = [asyncio.create_task(client.post(CHAT, json=WHOLE)) for _ in range(2)]
    await gate.until(lambda: len(node.requests) == 2)
    async with client.post(CHAT, json=WHOLE) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "gateway_full")
        assert answer.headers["Retry-After"] == "1"
    go_on.set()
    assert [(await each).status for each in asking] == [200, 200]
    async with client.post(CHAT, json=WHOLE) as answer:
        assert answer.status == 200


KEY = {contract.HEADER_IDEMPOTENCY_KEY: "one"}


@pytest.mark.parametrize("gate", [{"most_open": 3}], indirect=True)
async def test_requests_that_follow_the_answer_of_another_count_as_open_and_keep_no_body(
    gate: Any, client: aiohttp.ClientSession
):
    await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    body, opened = json.dumps(STREAM).encode(), gate.gateway.opened
    async with client.post(CHAT, data=body, headers=KEY), client.post(CHAT, data=body, headers=KEY):
        assert (opened.count, opened.held_bytes) == (3, len(body))  # two clients, and the answer that is made
        async with client.post(CHAT, data=body, headers=KEY) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "gateway_full")
            assert answer.headers["Retry-After"] == "1"


async def test_what_ends_makes_room_again_also_under_a_key(gate: Any, client: aiohttp.ClientSession):
    await gate.node(ANSWER)
    for headers in ({}, KEY, KEY, {contract.HEADER_IDEMPOTENCY_KEY: "two"}):
        async with client.post(CHAT, json=WHOLE, headers=headers) as answer:
            assert answer.status == 200
    await gate.until(lambda: (gate.gateway.opened.count, gate.gateway.opened.held_bytes) == (0, 0))


@pytest.mark.parametrize("gate", [{"most_open_bytes": 1000}], indirect=True)
@pytest.mark.parametrize("headers", [{}, KEY], ids=["plain", "with a key"])
async def test_bodies_above_what_all_may_take_are_refused_also_before_they_are_whole(
    gate: Any, client: aiohttp.ClientSession, headers: dict[str, str]
):
    await gate.node(ANSWER)
    host, _, port = gate.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" % CHAT.encode() + b" " * 800)
    await gate.until(lambda: gate.gateway.opened.held_bytes == 800)
    body = WHOLE | {"user": "x" * 200}
    async with client.post(CHAT, json=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "gateway_full")
        assert answer.headers["Retry-After"] == "1"
    writer.close()
    await gate.until(lambda: gate.gateway.opened.held_bytes == 0)
    async with client.post(CHAT, json=body, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("gate", [{"idle_connection_seconds": 0.2}], indirect=True)
@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"])
async def test_a_half_sent_header_does_not_hold_a_connection(gate: Any, sent: bytes):
    assert await raw(gate, sent) == b""


@pytest.mark.parametrize("gate", [{"idle_connection_seconds": 0.2}], indirect=True)
async def test_a_header_that_comes_byte_by_byte_does_not_hold_a_connection(gate: Any):
    host, _, port = gate.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    ended = asyncio.create_task(reader.read())
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for _ in range(200):  # ten seconds, at this pace
        writer.write(b"a")
        if (await asyncio.wait([ended], timeout=0.05))[0]:
            break
    assert ended.done()
    assert ended.result() == b""
    writer.close()


@pytest.mark.parametrize("gate", [{"body_seconds": 0.1}], indirect=True)
async def test_a_half_sent_body_does_not_hold_a_request(gate: Any):
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{"
    host, _, port = gate.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408")
    writer.close()
    await writer.wait_closed()
