"""What nodes send and clients get, byte by byte, for tests of the gateway over scripted nodes."""

import asyncio
import json
from typing import Any

import aiohttp

from inference_service import contract

CHAT = contract.PATH_CHAT_COMPLETIONS
STREAM = {"model": "smollm2", "stream": True, "messages": [{"role": "user", "content": "x"}]}
WHOLE = STREAM | {"stream": False}
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-warmfleet-model-version: v1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


FAILURE = b'data: {"error":{"message":"engine","type":"server_error","param":null,"code":null}}\n\n'
HANDOVER = b'data: {"warmfleet":{"handover":true}}\n\n'


def event(text: str, ids: str = "7", finish: str = "null") -> bytes:
    """An event as a node sends it."""
    return cut(text, finish)[:-3] + f',"warmfleet":{{"token_ids":[{ids}]}}}}\n\n'.encode()


def cut(text: str, finish: str = "null") -> bytes:
    """The same event as a client gets it."""
    choice = f'{{"delta":{{"content":"{text}"}},"finish_reason":{finish}}}'
    return f'data: {{"id":"a","created":5,"choices":[{choice}]}}\n\n'.encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sends(*parts: bytes, then: asyncio.Event | None = None, last: bytes = b"", close: bool = False) -> Any:
    """A node that writes these parts one by one, waits for `then`, writes `last`, then keeps or ends the connection."""

    async def behave(node: Any, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then is not None:
            await then.wait()
        writer.write(last)
        if close:
            writer.close()

    return behave


def answers(status: int, body: bytes) -> Any:
    return sends(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


def refuses(status: int, code: str | None) -> Any:
    error = {"message": "the node's own words", "type": "server_error", "param": None, "code": code}
    return answers(status, json.dumps({"error": error}).encode())


async def error_of(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    document = await answer.json()
    assert set(document["error"]) == {"message", "type", "param", "code"}
    assert answer.headers[contract.HEADER_REQUEST_ID]
    return dict(document["error"])


GOOD = sends(HEAD, chunk(event("one")), chunk(event("two", "8,9") + DONE), END)
