"""A node as cheap as can be, for the gateway's benchmark: `python sse_upstream.py HOST`, prints its port.

It answers /readyz with a ready node's report, and every POST with a paced stream in the node's own wire format. Nothing
is parsed beyond the request line: its cost must not be mistaken for a relay's.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

from inference_service import contract
from inference_service.node.chat_wire import DONE, ChunkWriter
from inference_service.node.engines.protocol import Piece

MODEL = "bench"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-warmfleet-model-version: bench\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
REPORT = {"instance_id": "unknown", "model": MODEL, "state": contract.STATE_READY, "in_flight": 0, "slots": 64}


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENT = chunked(ChunkWriter("chatcmpl-bench", 0, MODEL).chunk(Piece(" token", (4321,))))
END = chunked(DONE) + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection; `tokens` events, one every `seconds`, each written by itself."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self._tokens, self._seconds = tokens, seconds
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._due:
            self._due.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _content_length(head):
            return
        self._received = b""
        if head.startswith(b"GET"):
            report = json.dumps(REPORT).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(report), report))
            return
        self._transport.write(HEAD)
        self._at = self._loop.time()
        self._tick(self._tokens)

    def _tick(self, left: int) -> None:
        if not left:
            self._transport.write(END)
            return
        self._transport.write(EVENT)
        self._at += self._seconds
        self._due = self._loop.call_at(self._at, self._tick, left - 1)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def serve(host: str, tokens: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(tokens, seconds), host, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
