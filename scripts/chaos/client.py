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
SILENCE_SECONDS = "15"  # the shortest that a gateway takes; its own is 60 s
RETRY_SECONDS = 0.25
DONE = "[DONE]"
AS_REFUSED = ("no_warm_node", "nodes_busy", "stopping", "idempotency_key_in_use")  # before the first token: as a 503
UNRESUMABLE = "no node of version"


@dataclass(frozen=True)
class Asking:
    """What all clients share: `gateways` gives the addresses that answer now, `ended` those that were struck.

    `options` go into each request. `keys_are_shared`: each gateway knows what another one has answered.
    """

    http: aiohttp.ClientSession
    model: str
    gateways: Callable[[], Sequence[str]]
    ended: Callable[[str], bool]
    clock: Callable[[], float]
    options: Mapping[str, Any] = field(default_factory=dict)
    keys_are_shared: bool = True


@dataclass(frozen=True)
class Answer:
    """A complete one: what it says, as it came, and who gave it."""

    text: str
    raw: bytes
    replayed: bool
    url: str


async def ask(asking: Asking, entry: Entry, number: int) -> None:
    """Until the answer is complete, or patience is over. Then some ask again: one key has one answer."""
    given = await _answered(asking, entry, number, asking.gateways)
    if given is None:
        entry.unexpected += [f"turned away after its status 200: {code}" for code in entry.turned_away]
        return
    entry.answers.append(given.text)
    if entry.again:
        await _ask_again(asking, entry, given)


async def _ask_again(asking: Asking, entry: Entry, given: Answer) -> None:
    """As a program does that cannot know whether its answer came; anything but the same answer is a second effect."""
    repeated = await _answered(asking, entry, 0, lambda: _knowing(asking, given.url))
    entry.asked_again = True
    if repeated is None:
        entry.unexpected.append("asked again with its key, and never answered")
    elif not repeated.replayed or repeated.raw != given.raw:
        entry.answers.append(repeated.text)


def _knowing(asking: Asking, url: str) -> Sequence[str]:
    """Gateways that have to know an answer which `url` gave: others than that one, if there are any."""
    others = [each for each in asking.gateways() if each != url]
    return others if others and asking.keys_are_shared else [url]


async def _answered(asking: Asking, entry: Entry, number: int, gateways: Callable[[], Sequence[str]]) -> Answer | None:
    began = asking.clock()
    while asking.clock() < began + PATIENCE_SECONDS:
        urls = gateways()
        url = urls[number % len(urls)] if urls else None
        number += 1  # another one next time
        if url and (answer := await _try(asking, entry, url, began)):
            return answer
        await asyncio.sleep(RETRY_SECONDS)
    return None


async def _try(asking: Asking, entry: Entry, url: str, began: float) -> Answer | None:
    """One attempt; the answer, if it brought one."""
    messages = [{"role": "user", "content": entry.expected}]
    body = {"model": asking.model, "stream": entry.stream, "messages": messages, **asking.options}
    headers = {
        contract.HEADER_DEADLINE: WAIT_SECONDS,
        contract.HEADER_SILENCE_TIMEOUT: SILENCE_SECONDS,
        contract.HEADER_IDEMPOTENCY_KEY: entry.key,
    }
    try:
        async with asking.http.post(url + contract.PATH_CHAT_COMPLETIONS, json=body, headers=headers) as answer:
            return await _read(asking, entry, answer, url, began)
    except aiohttp.ClientConnectorError:
        return None  # nobody there: nothing was sent
    except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
        entry.accepted = True
        entry.reconnects += 1
        if not asking.ended(url):
            entry.cut += 1
            entry.unexpected.append(f"{type(error).__name__}: {error}")
        return None


async def _read(asking: Asking, entry: Entry, answer: aiohttp.ClientResponse, url: str, began: float) -> Answer | None:
    if answer.status in (409, 429, 503):  # 409: the gateway that began it is gone, and its lease not yet over
        return None
    if answer.status != 200:
        entry.unexpected.append(f"{answer.status} {(await answer.text())[:300]}")
        return None
    entry.accepted = True
    raw = bytearray()
    text = await (_streamed(asking, entry, answer, raw, began) if entry.stream else _whole(answer, raw))
    replayed = answer.headers.get(contract.HEADER_REPLAYED) == "true"
    return None if text is None else Answer(text, bytes(raw), replayed, url)


async def _whole(answer: aiohttp.ClientResponse, raw: bytearray) -> str:
    raw += await answer.read()
    return str(json.loads(raw)["choices"][0]["message"]["content"])


async def _streamed(
    asking: Asking, entry: Entry, answer: aiohttp.ClientResponse, raw: bytearray, began: float
) -> str | None:
    """The joined text; None when the stream ended without [DONE]."""
    text, last = "", None
    async for line in answer.content:
        raw += line
        if not line.startswith(b"data: "):
            continue
        data = line[6:].decode().strip()
        if data == DONE:
            return text
        document: dict[str, Any] = json.loads(data)
        if "error" in document:
            _broken(entry, document["error"], begun=text != "")
            return None
        now = asking.clock()
        entry.longest_gap = max(entry.longest_gap, 0.0 if last is None else now - last)
        last = now
        if entry.first_token_seconds is None:
            entry.first_token_seconds = now - began
        text += document["choices"][0]["delta"].get("content") or "" if document["choices"] else ""
    _cut(entry, "it ended without [DONE]")
    return None


def _broken(entry: Entry, error: Mapping[str, Any], *, begun: bool) -> None:
    """The stream ends with an error: a refusal that came after the status, or a cut."""
    if not begun and error.get("code") in AS_REFUSED:
        entry.reconnects += 1
        entry.turned_away.append(str(error["code"]))
    else:
        _cut(entry, str(error.get("message")))


def _cut(entry: Entry, why: str) -> None:
    if UNRESUMABLE in why:
        entry.cut_unresumable += 1
    else:
        entry.cut += 1
    entry.unexpected.append(f"cut: {why}")
