"""One attempt to have one node answer, up to the first byte that a client may see."""

import asyncio
import io
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from inference_service import contract
from inference_service.gateway.chat_request import ChatRequest
from inference_service.gateway.errors import ApiError, from_node
from inference_service.gateway.event_stream import BadAnswerError, EventCutter, without_extension

CONNECT_SECONDS = 3.0  # nodes are in the same VPC
LONGEST_ERROR_BYTES = 64 << 10
LARGE_BODY_BYTES = 1 << 18


class NodeFailedError(Exception):
    """The node gave no answer, and nothing has reached the client. `sent`: the request may have reached the node.

    `hurried`: the client's own limit was over, which is shorter than ours and says nothing against the node.
    """

    def __init__(self, reason: str, *, sent: bool, hurried: bool = False) -> None:
        super().__init__(reason)
        self.sent, self.hurried = sent, hurried


@dataclass(frozen=True)
class Opening:
    """A node's answer that has begun: `first` is a stream's first whole events, or the whole answer; both cut.

    `tokens` are those of a whole answer; a stream's are counted as they come.
    """

    response: aiohttp.ClientResponse
    cutter: EventCutter
    first: bytes
    tokens: int = 0

    @property
    def version(self) -> str:
        return self.response.headers.get(contract.HEADER_MODEL_VERSION, "")


@dataclass(frozen=True)
class Limits:
    """What one attempt may take."""

    begin_seconds: float
    answer_bytes: int
    connect_seconds: float = CONNECT_SECONDS


def session() -> aiohttp.ClientSession:
    """The client for nodes. No limit of its own: each client connection has its node connection.

    Idle connections end well before the node would end them, so that no request is sent into a closing one.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=15)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


async def begin(http: aiohttp.ClientSession, url: str, chat: ChatRequest, request_id: str, limits: Limits) -> Opening:
    """Send the request and wait until the answer has begun. The caller closes the response; then the node stops.

    Raises:
        NodeFailedError: no connection, or lost before the answer began.
        ApiError: the node refused, or did not begin in time.
    """
    headers = {"Content-Type": "application/json", contract.HEADER_REQUEST_ID: request_id}
    if chat.version is not None:
        headers[contract.HEADER_MODEL_VERSION] = chat.version
    try:
        async with asyncio.timeout(limits.begin_seconds):
            # aiohttp wants a large body as a file, so that writing it does not hold up other streams.
            body = io.BytesIO(chat.body) if len(chat.body) > LARGE_BODY_BYTES else chat.body
            connect = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds)
            response = await http.post(url, data=body, headers=headers, timeout=connect)
            try:
                return await _first_of(response, chat, limits)
            except BaseException:
                response.close()
                raise
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        hurried = isinstance(error, aiohttp.ConnectionTimeoutError) and limits.connect_seconds < CONNECT_SECONDS
        raise NodeFailedError(f"{type(error).__name__}: {error}", sent=False, hurried=hurried) from error
    except TimeoutError as error:
        text = f"The answer did not begin within {limits.begin_seconds:g} s."
        raise ApiError(504, text, code="deadline_exceeded") from error
    except (aiohttp.ClientError, OSError, BadAnswerError) as error:
        raise NodeFailedError(f"{type(error).__name__}: {error}", sent=True) from error


async def _first_of(response: aiohttp.ClientResponse, chat: ChatRequest, limits: Limits) -> Opening:
    if response.status == 401:  # between two versions of the token, or it has never read one: not the client's fault
        raise NodeFailedError("the node does not take this gateway's token", sent=False)
    if response.status != 200:
        raise from_node(response.status, _document(await response.content.read(LONGEST_ERROR_BYTES)))
    cutter = EventCutter()
    if not chat.stream:
        return Opening(response, cutter, *without_extension(await _whole(response, limits.answer_bytes)))
    first = b""
    while not first:
        if not (data := await response.content.readany()) or cutter.handed_over:
            raise BadAnswerError("the stream ended before its first event")
        first = cutter.feed(data)
        if cutter.error and not first:
            raise _from_event(cutter.error)
    return Opening(response, cutter, first)


async def _whole(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    while data := await response.content.readany():
        body += data
        if len(body) > most:
            raise BadAnswerError(f"an answer of more than {most} bytes")
    if not (body.startswith(b"{") and body.endswith(b"}")):
        raise BadAnswerError("an answer that is no JSON object")
    return bytes(body)


def _from_event(event: bytes) -> ApiError:
    """An error that came as the first event, behind a 200: it gets the status that its code names, else 500."""
    document = _document(event.split(b"\n\n")[0].removeprefix(b"data: "))
    code = document.get("error", {}).get("code") if isinstance(document, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_node(status, document)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
