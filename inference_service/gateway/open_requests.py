"""What this gateway has open at once: requests, and the bytes of their bodies. Both have a limit, whoever asks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from inference_service.gateway.errors import ApiError


class Place:
    """One open request, or an answer being made under an Idempotency-Key."""

    def __init__(self, opened: "OpenRequests", *, counted: bool) -> None:
        self._opened, self._counted = opened, counted
        self._size = 0

    def hold(self, size: int) -> None:
        """So many bytes more of a body. Raises ApiError: that is too much."""
        opened = self._opened
        if opened.held_bytes + size > opened.most_bytes:
            text = f"The bodies of {opened.count} open requests take {opened.held_bytes} of {opened.most_bytes} bytes."
            raise ApiError(503, text, code="gateway_full", retry_after=1)
        opened.held_bytes += size
        self._size += size

    def let_body_go(self) -> None:
        self._opened.held_bytes -= self._size
        self._size = 0

    def leave(self) -> None:
        """Its end; a second one has no effect."""
        self.let_body_go()
        self._opened.count -= self._counted
        self._counted = False


class OpenRequests:
    """Those of one gateway."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self.most_bytes = most, most_bytes
        self.count = self.held_bytes = 0

    def enter(self, *, counted: bool = True) -> Place:
        """A place until it is left; `counted` is false for a request whose place somebody else holds.

        Raises:
            ApiError: as many are open as may be.
        """
        if counted and self.count >= self._most:
            text = f"This gateway has {self.count} requests open already, as many as it may."
            raise ApiError(503, text, code="gateway_full", retry_after=1)
        self.count += counted
        return Place(self, counted=counted)

    @contextmanager
    def admit(self, *, counted: bool = True) -> Iterator[Place]:
        place = self.enter(counted=counted)
        try:
            yield place
        finally:
            place.leave()


async def body_of(request: web.Request, place: Place, seconds: float) -> bytes:
    """The request's body. aiohttp's own read() would keep it as long as the request is open.

    Raises:
        ApiError: it is late, or there is no room for it.
        web.HTTPRequestEntityTooLarge: it is above the application's limit.
    """
    parts, size, most = [], 0, request.client_max_size
    try:
        async with asyncio.timeout(seconds):
            while part := await request.content.readany():
                size += len(part)
                if size > most:
                    raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=size)
                place.hold(len(part))
                parts.append(part)
    except TimeoutError as error:
        text = f"The request body did not arrive within {seconds:g} s."
        raise ApiError(408, text, code="request_timeout") from error
    return b"".join(parts)
