"""The link between a starting daemon and the command that starts it: a pair of connected sockets.

The daemon says over it that everything listens, or why not. The command's end closes when the command is interrupted or
killed; a daemon that is not ready by then ends too, so that an interrupted start leaves nothing behind.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any


class StarterLink:
    """The daemon's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._watch: asyncio.Task[None] | None = None

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` when the command ends before `tell`."""
        self._watch = asyncio.create_task(self._wait_for_end(gone))

    async def tell(self, message: Mapping[str, Any]) -> bool:
        """Say the one thing; False when nobody is there any more."""
        if self._watch:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        with contextlib.closing(self._end):
            try:
                await asyncio.get_running_loop().sock_sendall(self._end, json.dumps(message).encode() + b"\n")
            except ConnectionError:
                return False
        return True

    async def _wait_for_end(self, gone: Callable[[], None]) -> None:
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_recv(self._end, 1)
        gone()


def hear(end: socket.socket, seconds: float) -> Mapping[str, Any] | None:
    """What the daemon says, at the command's end; None when it ended without a word.

    Raises:
        TimeoutError: it said nothing for `seconds`.
    """
    said, deadline = b"", time.monotonic() + seconds
    while not said.endswith(b"\n"):
        if (remaining := deadline - time.monotonic()) <= 0:
            raise TimeoutError
        end.settimeout(remaining)
        try:
            data = end.recv(1 << 16)
        except ConnectionError:
            return None
        if not data:
            return None
        said += data
    message: Mapping[str, Any] = json.loads(said)
    return message
