"""How much each API key may ask of this gateway: requests that begin in a minute, requests at once."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inference_service.api_keys import ApiKey
from inference_service.gateway.errors import ApiError

MINUTE = 60.0
BUSY_SECONDS = 1
MOST_IDLE = 100


@dataclass
class _Use:
    """What one key does. `free_at`: when the requests of the last minute would have been evenly spread to their end."""

    running: int = 0
    free_at: float = 0.0


class KeyLimits:
    """Counts by the key's name, so that both secrets of a rotation share one budget.

    Gateways do not talk to each other: each of `gateways` allows its share, rounded up. `clock` counts seconds.
    """

    def __init__(self, gateways: int, clock: Callable[[], float]) -> None:
        self._gateways = gateways
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def admit(self, key: ApiKey) -> Iterator[None]:
        """Count one request from here to its end.

        Raises:
            ApiError: 429, the key does too much.
        """
        if len(self._uses) > MOST_IDLE:
            self.forget_idle()
        use = self._uses.setdefault(key.name, _Use())
        self._refuse_too_many(key, use)
        self._refuse_too_fast(key, use)
        use.running += 1
        try:
            yield
        finally:
            use.running -= 1

    def forget_idle(self) -> None:
        """Keep nothing of keys that ask for nothing: names come and go."""
        now = self._clock()
        self._uses = {name: use for name, use in self._uses.items() if use.running or use.free_at > now}

    def _refuse_too_many(self, key: ApiKey, use: _Use) -> None:
        if key.at_once is not None and use.running >= self._share(key.at_once):
            text = f"Key {key.name} may have {key.at_once} requests running at once."
            raise _too_much(text, BUSY_SECONDS)

    def _refuse_too_fast(self, key: ApiKey, use: _Use) -> None:
        """A minute's requests may come all together; after that, as evenly as they are allowed."""
        if key.per_minute is None:
            return
        now, step = self._clock(), MINUTE / self._share(key.per_minute)
        free_at = max(use.free_at, now) + step
        if free_at > now + MINUTE + step / 1e6:
            wait = free_at - now - MINUTE
            raise _too_much(f"Key {key.name} may begin {key.per_minute} requests a minute.", math.ceil(wait))
        use.free_at = free_at

    def _share(self, limit: int) -> int:
        return math.ceil(limit / self._gateways)


def _too_much(text: str, retry_after: int) -> ApiError:
    return ApiError(429, text, code="rate_limit_exceeded", kind="requests", retry_after=retry_after)
