"""Idempotency-Keys while S3 is silent or slow: requests are served, and nothing else of the gateway waits for it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from inference_service.gateway import idempotency_calls, service
from inference_service.gateway.idempotency_store import DONE, IdempotencyStore, Kept
from tests.contract.node_bytes import CHAT, GOOD, STREAM, WHOLE, answers, cut

ANSWER = b'{"choices":[]}'
MANY = 40  # more than asyncio has threads of its own, on any machine
SECONDS = 1.0


def key(value: str) -> dict[str, str]:
    return {contract.HEADER_IDEMPOTENCY_KEY: value}


@pytest.fixture
async def taken(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections to an S3 that takes them and never answers."""
    connections: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(idempotency_calls, "ASK_SECONDS", SECONDS)
    yield connections
    for each in connections:
        each.close()
    server.close()


@pytest.fixture
async def asked(taken: Any, gate: Any) -> AsyncIterator[Any]:
    """Asks with a key of its own each time."""
    await gate.node(answers(200, ANSWER))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(base_url=gate.url, connector=connector) as http:

        async def ask(name: str) -> tuple[int, bytes]:
            async with http.post(CHAT, json=WHOLE, headers=key(name)) as answer:
                return answer.status, await answer.read()

        yield ask


@pytest.mark.parametrize("gate", [{"bucket": "models"}], indirect=True)
async def test_a_silent_s3_holds_up_neither_requests_for_long_nor_api_keys_and_discovery_at_all(
    taken: list[Any], gate: Any, asked: Any
):
    loop = asyncio.get_running_loop()
    began, asking = loop.time(), [asyncio.ensure_future(asked(f"k{number}")) for number in range(MANY)]
    await gate.until(lambda: len(taken) >= MANY)  # all are at S3 at once
    await asyncio.wait_for(asyncio.to_thread(int), SECONDS)  # what reads API keys and lists nodes
    assert await asyncio.gather(*asking) == [(200, ANSWER)] * MANY
    assert loop.time() - began < 10, "they waited for one another"


@pytest.mark.parametrize("gate", [{"bucket": "models"}], indirect=True)
async def test_once_s3_was_silent_the_next_requests_do_not_ask_it(taken: list[Any], gate: Any, asked: Any):
    assert await asked("first") == (200, ANSWER)
    await gate.until(lambda: gate.gateway.runs.unfinished == 0)  # it tries once to give S3 its answer
    before = len(taken)
    for number in range(5):
        assert await asked(f"k{number}") == (200, ANSWER)
    assert len(taken) == before


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An S3 that has not yet answered the write of an answer's end: whether it was asked, and what lets it answer."""
    asked, go = threading.Event(), threading.Event()

    def write(self: Any, identity: str, kept: Kept, over: str | None) -> str:
        if kept.state == DONE:
            asked.set()
            go.wait(20)
        return kept.state

    monkeypatch.setattr(IdempotencyStore, "write", write)
    yield asked, go
    go.set()


@pytest.mark.parametrize("gate", [{"bucket": "models"}], indirect=True)
@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
async def test_a_gateway_that_leaves_waits_for_s3_to_take_the_end_of_an_answer(
    gate: Any, client: aiohttp.ClientSession, ending: Any, body: dict[str, Any]
):
    asked, go = ending
    await gate.node(GOOD if body["stream"] else answers(200, ANSWER))

    async def ask() -> bytes:
        async with client.post(CHAT, json=body, headers=key("rolled")) as answer:
            return await answer.read()

    asking = asyncio.ensure_future(ask())
    await gate.until(asked.is_set)
    gate.server.close()
    leaving = asyncio.ensure_future(service.drain(gate.gateway, 20))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not leaving.done()
    go.set()
    await leaving
    await gate.stack.aclose()  # what the process does then
    assert (await asking).startswith(cut("one") if body["stream"] else ANSWER)
    assert b"error" not in await asking


@pytest.mark.parametrize("gate", [{"bucket": "models"}], indirect=True)
async def test_the_wait_for_s3_ends_with_the_time_to_drain(gate: Any, client: aiohttp.ClientSession, ending: Any):
    asked, _ = ending
    await gate.node(answers(200, ANSWER))
    asking = asyncio.ensure_future(client.post(CHAT, json=WHOLE, headers=key("rolled")))
    await gate.until(asked.is_set)
    await asyncio.wait_for(service.drain(gate.gateway, 0.05), 10)
    asking.cancel()
