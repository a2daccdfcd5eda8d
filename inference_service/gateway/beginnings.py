"""Attempts whose answer has not begun yet: only readiness polls can tell whether their nodes still live.

A host that vanishes without a reset leaves its connections open: nothing comes, and nothing fails.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from inference_service.gateway.upstream import NodeFailedError


@dataclass(frozen=True)
class Beginning:
    """One attempt: with which node, and which others could answer."""

    node: str
    model: str
    version: str | None = None


class Beginnings:
    """All attempts of this gateway."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, Beginning] = {}

    @asynccontextmanager
    async def while_hoped_for(self, beginning: Beginning) -> AsyncIterator[None]:
        """Ends what is inside when its node is given up.

        Raises:
            NodeFailedError: it was.
        """
        hope = asyncio.timeout(None)
        try:
            async with hope:
                self._waiting[hope] = beginning
                yield
        except TimeoutError as error:
            if not hope.expired():
                raise
            raise NodeFailedError("it no longer answers readiness polls", sent=True) from error
        finally:
            self._waiting.pop(hope, None)

    def end(self, hopeless: Callable[[Beginning], bool]) -> None:
        for hope, beginning in list(self._waiting.items()):
            if hopeless(beginning):
                del self._waiting[hope]  # once is enough
                hope.reschedule(0.0)
