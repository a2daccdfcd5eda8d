"""Talks to the gateway as any client does: questions streamed token by token, and the list of its nodes."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inference_service import contract
from scripts.exit_codes import FAILED, USAGE, CommandError

if TYPE_CHECKING:
    import aiohttp

CONNECT_SECONDS = 5.0
FLEET_SECONDS = 5.0
MARGIN_SECONDS = 10.0  # the gateway answers 504 by itself; this is for a gateway that says nothing
DONE = "[DONE]"


class GatewayError(CommandError):
    """The gateway refused or broke off. `retry_after_seconds` is what it asked for, if it did."""

    def __init__(self, text: str, exit_code: int = FAILED, retry_after_seconds: int | None = None) -> None:
        super().__init__(text, exit_code)
        self.retry_after_seconds = retry_after_seconds


class GatewayUnreachableError(GatewayError):
    """No gateway answers at that address."""


@dataclass(frozen=True)
class Address:
    """Where to connect instead of the host and port in a gateway's URL: the near end of a forwarded connection."""

    host: str
    port: int


@dataclass(frozen=True)
class Answer:
    """A complete answer. Seconds count from the request; `tokens` are those of the answer alone."""

    text: str
    model: str
    version: str
    tokens: int
    first_token_seconds: float
    seconds: float


@dataclass(frozen=True)
class Question:
    """What to ask; `wait_seconds` is how long the answer may take to begin."""

    model: str
    text: str
    wait_seconds: float = 60.0
    most_tokens: int = 256

    def body(self) -> dict[str, Any]:
        """The request in OpenAI's shape."""
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": self.text}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": self.most_tokens,
        }


def ask(
    url: str,
    question: Question,
    on_text: Callable[[str], None],
    via: Address | None = None,
    key: str | None = None,
) -> Answer:
    """Ask, with an API key if there is one, and hand over each piece of the answer as it comes.

    Via another address the URL stays what it is: its host is asked for, and has to be in the certificate.

    Raises:
        GatewayError: refused, or the answer broke off; with what the gateway said.
    """
    answer: Answer = asyncio.run(_explained(url, _ask(url, question, on_text, via, key)))
    return answer


def nodes(url: str, via: Address | None = None) -> list[dict[str, Any]]:
    """Every node that the gateway knows, as GET /warmfleet/nodes describes it; `via` as for `ask`.

    Raises:
        GatewayError: it cannot be reached, or a load balancer answers in its place.
    """
    found: list[dict[str, Any]] = asyncio.run(_explained(url, _nodes(url, via)))
    return found


def accepts(url: str, key: str | None, via: Address | None = None) -> bool:
    """Whether the gateway takes this API key. Raises GatewayError when it cannot be asked."""
    accepted: bool = asyncio.run(_explained(url, _accepts(url, key, via)))
    return accepted


async def _accepts(url: str, key: str | None, via: Address | None) -> bool:
    headers = authorization(key)
    async with (
        session(url, FLEET_SECONDS, via) as http,
        http.get(url + contract.PATH_MODELS, headers=headers) as response,
    ):
        return response.status == 200


def authorization(key: str | None) -> dict[str, str]:
    """The header that carries an API key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _nodes(url: str, via: Address | None) -> list[dict[str, Any]]:
    async with session(url, FLEET_SECONDS, via) as http, http.get(url + contract.PATH_FLEET) as response:
        if response.status != 200:
            raise GatewayUnreachableError(
                f"no gateway in service behind {url} (the load balancer says {response.status})"
            )
        found: list[dict[str, Any]] = (await response.json())["nodes"]
        return found


async def _ask(
    url: str, question: Question, on_text: Callable[[str], None], via: Address | None, key: str | None
) -> Answer:
    headers = {contract.HEADER_DEADLINE: f"{question.wait_seconds:g}", **authorization(key)}
    started, first, pieces, tokens = time.monotonic(), None, list[str](), 0
    async with (
        session(url, question.wait_seconds + MARGIN_SECONDS, via) as http,
        http.post(url + contract.PATH_CHAT_COMPLETIONS, json=question.body(), headers=headers) as response,
    ):
        if response.status != 200:
            raise refusal(response.status, await response.text(), response.headers)
        async for event in events(aiter(response.content)):
            piece = _piece(event)
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens + bool(piece))
            if piece:
                first = first or time.monotonic()
                pieces.append(piece)
                on_text(piece)
        version = response.headers.get(contract.HEADER_MODEL_VERSION, "")
    ended = time.monotonic()
    begun = round((first or ended) - started, 3)
    return Answer("".join(pieces), question.model, version, tokens, begun, round(ended - started, 3))


async def events(content: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON documents of a stream of server-sent events, to its [DONE].

    Raises:
        GatewayError: an error event, or no [DONE]: the answer is not complete.
    """
    finished = False
    async for (
        line
    ) in content:  # to its end also after [DONE]: a connection that is closed early looks like a lost client
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if name != "data":
            continue
        if finished := value.strip() == DONE:
            continue
        event = json.loads(value)
        if error := event.get("error"):
            raise GatewayError(f"the answer broke off: {error.get('message')} ({error.get('code')})")
        yield event
    if not finished:
        raise GatewayError("the answer broke off: its end is missing; ask again")


def refusal(status: int, body: str, headers: Mapping[str, str]) -> GatewayError:
    """An error answer in words, with the time after which it is worth asking again."""
    try:
        error = json.loads(body)["error"]
        text = f"{error['message']} ({status} {error.get('code') or error.get('type')})"
    except (ValueError, KeyError, TypeError):
        text = f"{status}: {body.strip()[:200] or 'no reason given'}"
    after = headers.get("Retry-After", "")
    seconds = int(after) if after.isdecimal() else None
    if seconds is not None:
        text += f"; ask again in {seconds} s, or give --timeout more seconds; `warmfleet status` says what is missing"
    return GatewayError(f"the gateway refused: {text}", USAGE if 400 <= status < 500 else FAILED, seconds)


async def _explained(url: str, work: Any) -> Any:
    import aiohttp

    try:
        return await work
    except TimeoutError as error:
        raise GatewayError(f"{url} went silent; `warmfleet status` says what is missing") from error
    except aiohttp.ClientSSLError as error:
        reason = str(getattr(error, "certificate_error", error))
        text = f"the certificate of {url} is not trusted ({reason}); nothing was sent: the load balancer needs one for"
        raise GatewayError(f"{text} {urlsplit(url).hostname}, of an authority that this machine trusts") from error
    except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        text = f"no gateway answers at {url} ({reason}); `warmfleet status` says what is missing"
        raise GatewayUnreachableError(text) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise GatewayError(f"{url}: {type(error).__name__}: {error}") from error


def session(
    url: str, silence_seconds: float | None, via: Address | None = None, headers: Mapping[str, str] | None = None
) -> "aiohttp.ClientSession":
    """For requests to one gateway; an answer on which nothing moves for so long fails."""
    import aiohttp

    host = urlsplit(url).hostname or ""
    return aiohttp.ClientSession(
        connector=_connector_to(via) if via else aiohttp.TCPConnector(limit=0),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds),
        # A proxy cannot reach this machine's own addresses.
        trust_env=via is None and not host.startswith("127."),
    )


def _connector_to(address: Address) -> "aiohttp.TCPConnector":
    """Connects to `address` whatever the host; the host still goes into the TLS handshake and is verified."""
    import socket

    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Fixed(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            result: ResolveResult = {
                "hostname": host,
                "host": address.host,
                "port": address.port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": numeric,
            }
            return [result]

        async def close(self) -> None:
            """Nothing is open."""

    return aiohttp.TCPConnector(resolver=Fixed(), use_dns_cache=False, limit=0)


def _piece(event: Mapping[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")
