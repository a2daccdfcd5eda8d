"""API keys at the gateway: who may ask. Hashes come from SSM again and again; a request costs one SHA-256."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.api_keys import ApiKey, ApiKeysError, found, parse
from inference_service.gateway.errors import ApiError
from inference_service.gateway.key_limits import KeyLimits
from inference_service.gateway.request_record import RECORD
from inference_service.secret_document import SecretDocument

# For load balancers and operators, inside the network; nothing of a client's is in them.
OPEN = frozenset([contract.PATH_HEALTH, contract.PATH_READY, contract.PATH_METRICS, contract.PATH_FLEET])
SCHEME = "bearer"
FIRST_LOOKS_SECONDS = 0.5
UNKNOWN_SECONDS = 2


class KeyRing:
    """The keys as SSM had them last; they stay while SSM fails, and end when they should all the same.

    Args:
        configured: whether there is a place for keys. `private`: whether only this machine can connect.
        now: seconds since 1970.
    """

    def __init__(self, *, configured: bool, private: bool, now: Callable[[], float]) -> None:
        self._keys: tuple[ApiKey, ...] | None = None if configured else ()
        self._private = private
        self._now = now

    @property
    def known(self) -> bool:
        return self._keys is not None

    def learn(self, text: str) -> None:
        """Take the document over. Raises ApiKeysError; then the keys stay as they are."""
        self._keys = parse(text)

    def check(self, authorization: str | None) -> ApiKey | None:
        """The key of an Authorization header. None: no key was ever made, and nobody else can connect.

        Raises:
            ApiError: 401, or 503 while SSM has not yet said which keys there are.
        """
        if self._keys is None:
            text = "This gateway does not know yet which API keys there are."
            raise ApiError(503, text, code="keys_unknown", retry_after=UNKNOWN_SECONDS)
        if not self._keys and self._private:
            return None
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME or not given.strip():
            text = "You didn't provide an API key. Send it as `Authorization: Bearer KEY`."
            raise _unauthorized(text)
        if key := found(self._keys, given.strip(), self._now()):
            return key
        raise _unauthorized("Incorrect API key provided. `warmfleet keys` makes and lists keys.")


def _unauthorized(text: str) -> ApiError:
    return ApiError(401, text, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def api_key_guard(ring: KeyRing, limits: KeyLimits) -> Middleware:
    """Lets through what has a key, as much as the key may."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN:
            return await handler(request)
        key = ring.check(request.headers.get("Authorization"))
        if key is None:
            return await handler(request)
        request[RECORD].key = key.name
        with limits.admit(key):
            return await handler(request)

    guard_: Any = guard
    return guard_  # type: ignore[no-any-return]


async def follow_keys(ring: KeyRing, stored: SecretDocument, seconds: float) -> None:
    """Ask SSM every `seconds`, for ever. What it says wrongly, or not at all, is logged once, without its text."""
    log, failing = structlog.get_logger(), False
    while True:
        try:
            ring.learn(await asyncio.to_thread(stored.read))
            failing = False
        except (ClientError, BotoCoreError, ApiKeysError) as error:
            if not failing:
                log.warning("API keys cannot be read; those known stay", known=ring.known, error=str(error))
            failing = True
        await asyncio.sleep(seconds if ring.known else min(seconds, FIRST_LOOKS_SECONDS))
