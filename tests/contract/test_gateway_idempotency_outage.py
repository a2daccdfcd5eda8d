"""Idempotency-Keys while S3 says nothing: requests are served, and nothing else of the gateway waits for it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from inference_service.gateway import idempotency_calls
from tests.contract.node_bytes import CHAT, WHOLE, answers

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
    before = len(taken)
    for number in range(5):
        assert await asked(f"k{number}") == (200, ANSWER)
    assert len(taken) == before
