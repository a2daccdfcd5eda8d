"""Breaks off streams in which nothing moves: one look every few seconds at all of them, no timer per token."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import StreamReader, web

from inference_service.gateway.stream_memory import Carried

LOOK_SECONDS = 1.0


class UpstreamSilentError(Exception):
    """The node has sent nothing for too long."""


class TotalTimeError(Exception):
    """The client's time for the whole answer is over."""


class GatewayStoppingError(Exception):
    """The time to finish answers before leaving is over."""


@dataclass(eq=False)
class OpenStream:
    """A stream under way, and how far it was when it last moved."""

    request: web.Request
    content: StreamReader | None  # None while another node is being found
    moved_at: float
    bytes_then: int = 0
    silence: float | None = None  # the client's own limit, in seconds
    ends_at: float | None = None  # on the same clock
    over: bool = False  # its time in total is
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # it ends now, whatever goes on in it
    carried: Carried | None = None  # by which node; None while another one is being found
    leaves: bool = False  # its node has to leave before it can be complete: another one is to go on
    hurried: bool = False  # broken by the client's own limit, shorter than ours: nothing against the node

    def follow(self, content: StreamReader | None, now: float, carried: Carried | None = None) -> None:
        """The stream goes on from another node, or waits for one."""
        self.content, self.moved_at, self.carried = content, now, carried
        self.leaves = self.hurried = False
        self.bytes_then = content.total_bytes if content else 0

    def quiet_seconds(self, now: float) -> float:
        """How long nothing has come from the node, as far as anybody has looked."""
        if self.content is not None and self.content.total_bytes != self.bytes_then:
            self.bytes_then, self.moved_at = self.content.total_bytes, now
        return now - self.moved_at


class OpenStreams:
    """All streams under way."""

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[OpenStream]:
        return iter(list(self._streams))

    def add(
        self, request: web.Request, now: float, *, silence: float | None = None, ends_at: float | None = None
    ) -> OpenStream:
        """A stream that waits for a node to follow."""
        stream = OpenStream(request, None, now, silence=silence, ends_at=ends_at)
        self._streams.add(stream)
        return stream

    def remove(self, stream: OpenStream) -> None:
        self._streams.discard(stream)

    def break_stalled(self, now: float, longest: float) -> None:
        """Break each stream that has not moved for `longest` seconds, or what its client says, and what is over."""
        for stream in self:
            most = stream.silence or longest
            if stream.ends_at is not None and now >= stream.ends_at:
                _end(stream)
            if stream.content is None or stream.over:
                continue
            if stream.quiet_seconds(now) >= most:
                stream.hurried = most < longest
                _break(stream, most)

    def break_all(self) -> None:
        """End every stream with an error event: the gateway leaves."""
        for stream in self:
            stream.stopping.set()
            if stream.content is not None:
                stream.content.set_exception(GatewayStoppingError("the gateway is stopping"))


def _end(stream: OpenStream) -> None:
    stream.over = True
    stream.stopping.set()
    if stream.request.protocol.writing_paused and stream.request.transport is not None:
        stream.request.transport.abort()
    elif stream.content is not None:
        stream.content.set_exception(TotalTimeError("its time in total is over"))


def _break(stream: OpenStream, seconds: float) -> None:
    """A client that does not read is cut off, which ends the handler; a silent node ends the answer with an error."""
    if stream.request.protocol.writing_paused and stream.request.transport is not None:
        stream.request.transport.abort()
    elif stream.content is not None:
        stream.content.set_exception(UpstreamSilentError(f"nothing for {seconds:g} s"))


async def watch(streams: OpenStreams, longest: float) -> None:
    """Look at all streams again and again, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(longest / 4, LOOK_SECONDS))
        streams.break_stalled(loop.time(), longest)
