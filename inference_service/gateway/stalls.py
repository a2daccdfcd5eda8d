"""Breaks off streams in which nothing moves: one look every few seconds at all of them, no timer per token."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import StreamReader, web


class UpstreamSilentError(Exception):
    """The node has sent nothing for too long."""


class GatewayStoppingError(Exception):
    """The time to finish answers before leaving is over."""


@dataclass(eq=False)
class OpenStream:
    """A stream under way, and how far it was when it last moved."""

    request: web.Request
    content: StreamReader | None  # None while another node is being found
    moved_at: float
    bytes_then: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def follow(self, content: StreamReader | None, now: float) -> None:
        """The stream goes on from another node, or waits for one."""
        self.content, self.moved_at = content, now
        self.bytes_then = content.total_bytes if content else 0


class OpenStreams:
    """All streams under way."""

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[OpenStream]:
        return iter(list(self._streams))

    def add(self, request: web.Request, content: StreamReader, now: float) -> OpenStream:
        stream = OpenStream(request, content, now, content.total_bytes)
        self._streams.add(stream)
        return stream

    def remove(self, stream: OpenStream) -> None:
        self._streams.discard(stream)

    def break_stalled(self, now: float, longest: float) -> None:
        """Break each stream that has not moved for `longest` seconds."""
        for stream in self:
            if stream.content is None:
                continue
            if stream.content.total_bytes != stream.bytes_then:
                stream.bytes_then, stream.moved_at = stream.content.total_bytes, now
            elif now - stream.moved_at >= longest:
                _break(stream, longest)

    def break_all(self) -> None:
        """End every stream with an error event: the gateway leaves."""
        for stream in self:
            stream.stopping.set()
            if stream.content is not None:
                stream.content.set_exception(GatewayStoppingError("the gateway is stopping"))


def _break(stream: OpenStream, seconds: float) -> None:
    """A client that does not read is cut off, which ends the handler; a silent node ends the answer with an error."""
    if stream.request.protocol.writing_paused and stream.request.transport is not None:
        stream.request.transport.abort()
    elif stream.content is not None:
        stream.content.set_exception(UpstreamSilentError(f"nothing for {seconds:g} s"))


async def watch(streams: OpenStreams, longest: float) -> None:
    """Look at all streams again and again, for ever; one is broken after `longest` to a quarter more."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(longest / 4)
        streams.break_stalled(loop.time(), longest)
