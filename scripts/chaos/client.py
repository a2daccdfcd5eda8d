"""One client: asks until it has its answer, as a careful program would, and writes down what it saw."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from inference_service import contract
from scripts.chaos.ledger import Entry

PATIENCE_SECONDS = 90.0  # then the request is lost
WAIT_SECONDS = "45"
SILENCE_SECONDS = "5"  # scaled: the gateway's own 60 s
RETRY_SECONDS = 0.25
DONE = "[DONE]"
AS_REFUSED = ("no_warm_node", "nodes_busy", "stopping", "idempotency_key_in_use")  # before the first token: as a 503
UNRESUMABLE = "no node of version"


@dataclass(frozen=True)
class Asking:
    """What all clients share: `gateways` gives the addresses that answer now, `ended` those that were struck.

    `options` go into each request.
    """

    http: aiohttp.ClientSession
    model: str
    gateways: Callable[[], Sequence[str]]
    ended: Callable[[str], bool]
    clock: Callable[[], float]
    options: Mapping[str, Any] = field(default_factory=dict)


async def ask(asking: Asking, entry: Entry, number: int) -> None:
    """Until the answer is complete, or patience is over."""
    began = asking.clock()
    until = began + PATIENCE_SECONDS
    while not entry.answers and asking.clock() < until:
        gateways = asking.gateways()
        url = gateways[number % len(gateways)] if gateways else None
        number += 1  # another one next time
        if url is None or not await _try(asking, entry, url, began):
            await asyncio.sleep(RETRY_SECONDS)


async def _try(asking: Asking, entry: Entry, url: str, began: float) -> bool:
    """One attempt; whether it brought the answer."""
    messages = [{"role": "user", "content": entry.expected}]
    body = {"model": asking.model, "stream": entry.stream, "messages": messages, **asking.options}
    headers = {
        contract.HEADER_DEADLINE: WAIT_SECONDS,
        contract.HEADER_SILENCE_TIMEOUT: SILENCE_SECONDS,
        "Idempotency-Key": entry.key,
    }
    try:
        async with asking.http.post(url + contract.PATH_CHAT_COMPLETIONS, json=body, headers=headers) as answer:
            if answer.status in (409, 429, 503):  # 409: the gateway that began it is gone, and its lease not yet over
                return False
            if answer.status != 200:
                entry.unexpected.append(f"{answer.status} {(await answer.text())[:300]}")
                return False
            entry.accepted = True
            text = await _streamed(asking, entry, answer, began) if entry.stream else await _whole(answer)
    except aiohttp.ClientConnectorError:
        return False  # nobody there: nothing was sent
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
        entry.accepted = True
        entry.reconnects += 1
        if not asking.ended(url):
            entry.cut += 1
            entry.unexpected.append(f"{type(error).__name__}: {error}")
        return False
    if text is not None:
        entry.answers.append(text)
    return text is not None


async def _whole(answer: aiohttp.ClientResponse) -> str:
    return str((await answer.json())["choices"][0]["message"]["content"])


async def _streamed(asking: Asking, entry: Entry, answer: aiohttp.ClientResponse, began: float) -> str | None:
    """The joined text; None when the stream ended without [DONE]."""
    text, last = "", None
    async for line in answer.content:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].decode().strip()
        if data == DONE:
            return text
        document: dict[str, Any] = json.loads(data)
        if "error" in document:
            error = document["error"]
            if text == "" and error.get("code") in AS_REFUSED:
                return None
            _cut(entry, str(error.get("message")))
            return None
        now = asking.clock()
        entry.longest_gap = max(entry.longest_gap, 0.0 if last is None else now - last)
        last = now
        if entry.first_token_seconds is None:
            entry.first_token_seconds = now - began
        text += document["choices"][0]["delta"].get("content") or "" if document["choices"] else ""
    _cut(entry, "it ended without [DONE]")
    return None


def _cut(entry: Entry, why: str) -> None:
    if UNRESUMABLE in why:
        entry.cut_unresumable += 1
    else:
        entry.cut += 1
    entry.unexpected.append(f"cut: {why}")
