"""Many streaming clients in one process, as cheap as can be: `sse_clients.py HOST PORT STREAMS [TIMES]` prints JSON.

They start one after another over the first tenth of a second, so that tokens of different streams do not come in step.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

BODY = json.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
START_SECONDS = 0.1


class Client(asyncio.Protocol):
    """One request; counts its events, and knows when the first one came."""

    def __init__(self, host: str) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.events = 0
        self.complete = False
        self.leaked = False
        self.first_seconds: float | None = None
        self._host = host
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._asked = cast(asyncio.Transport, transport), time.monotonic()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)

    def data_received(self, data: bytes) -> None:
        seen = data.count(b"data: {")
        if seen and self.first_seconds is None:
            self.first_seconds = time.monotonic() - self._asked
        self.events += seen
        self.leaked |= b'"warmfleet"' in data
        if (self._tail + data).endswith(b"\r\n0\r\n\r\n"):
            self.complete = b"[DONE]" in self._tail + data
            self._transport.close()
        self._tail = data[-64:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)


async def stream(host: str, port: int, streams: int, times: int) -> dict[str, object]:
    """So many streams at once, and that so many times."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for _ in range(times):
        together = []
        for _ in range(streams):
            together.append((await loop.create_connection(lambda: Client(host), host, port))[1])
            if times == 1:
                await asyncio.sleep(START_SECONDS / streams)
        await asyncio.gather(*(client.done for client in together))
        clients += together
    return {
        "events": sum(client.events for client in clients),
        "complete": sum(client.complete for client in clients),
        "leaked": any(client.leaked for client in clients),
        "firsts": sorted(client.first_seconds for client in clients if client.first_seconds is not None),
    }


if __name__ == "__main__":
    host, port, streams, *times = sys.argv[1:]
    print(json.dumps(uvloop.run(stream(host, int(port), int(streams), int(times[0]) if times else 1))))
