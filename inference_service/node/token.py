"""A node answers gateways alone: they send a token that stands in SSM (its port is closed to all others besides)."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.node import chat_wire
from inference_service.node_tokens import NodeToken, NodeTokensError, accepts, parse

OPEN = frozenset([contract.PATH_HEALTH, contract.PATH_READY])  # asked on the host itself, and without secrets
LEAST_SECONDS = 1.0  # between two looks, whoever knocks with whatever
LONGEST_SECONDS = 300.0  # after which a token that ended is noticed


class NodeTokens:
    """The tokens as SSM had them last; they stay while SSM fails. `read` blocks; `clock` counts seconds."""

    def __init__(self, read: Callable[[], str], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._tokens: tuple[NodeToken, ...] = ()
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def check(self, authorization: str | None) -> bool:
        """Whether this is a gateway. A token that is not known may be new: SSM is asked again."""
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            return False
        if self._age() < LONGEST_SECONDS and accepts(self._tokens, given):
            return True
        async with self._reading:
            if self._age() >= LEAST_SECONDS:
                await self._look()
        return accepts(self._tokens, given)

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    async def _look(self) -> None:
        try:
            self._tokens = parse(await asyncio.to_thread(self._read)) or self._tokens
        except (ClientError, BotoCoreError, NodeTokensError) as error:
            structlog.get_logger().warning("the token of gateways cannot be read", error=str(error))
        self._read_at = self._clock()


def gateways_alone(tokens: NodeTokens) -> Middleware:
    """Refuses what comes without the token, as OpenAI refuses a wrong API key."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN or await tokens.check(request.headers.get("Authorization")):
            return await handler(request)
        body = chat_wire.error("This node answers its gateways alone.", status=401, code="invalid_api_key")
        return web.Response(body=body, status=401, content_type="application/json")

    made: Any = guard
    return made  # type: ignore[no-any-return]
