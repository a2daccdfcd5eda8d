"""The store of kept answers, asked from the event loop: in threads of its own, and never for long.

asyncio's own threads are few, and API keys, the nodes' token and EC2's list need them: an S3 that takes connections and
says nothing must hold up neither those nor requests.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from inference_service.gateway.idempotency_store import Answer, NotAskedError, SilentStoreError

# They block most of the time. Renewals and ends have threads apart: who waits to begin must not cost others the lease.
BEGIN_THREADS, UPKEEP_THREADS = 64, 32
ASK_SECONDS = 4.0
KEEP_SECONDS = 10.0  # for an answer's end: S3's client may try twice
REST_SECONDS = 10.0


@dataclass
class Rest:
    """Whether to ask S3 at all: not for a while after it said nothing; then one asks, and the others go by that."""

    silent: bool = False
    until: float = 0.0

    def begins(self, now: float) -> bool:
        """Whether a request that begins at this moment is to ask."""
        if now < self.until:
            return False
        if self.silent:
            self.until = now + REST_SECONDS
        return True

    def learn(self, now: float, *, silent: bool) -> None:
        self.silent, self.until = silent, now + REST_SECONDS if silent else 0.0


class StoreCalls:
    """Calls of the store. Every method raises StoreError."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._rest = clock, Rest()
        self._begin = ThreadPoolExecutor(BEGIN_THREADS, "kept-answers-begin")
        self._upkeep = ThreadPoolExecutor(UPKEEP_THREADS, "kept-answers-upkeep")

    @property
    def rests(self) -> bool:
        """Whether S3 said nothing a moment ago."""
        return self._rest.silent

    async def begin(self, call: Callable[[], Answer]) -> Answer:
        """For a request that has to wait for it: at once a StoreError while S3 says nothing."""
        if not self._rest.begins(self._clock()):
            raise NotAskedError("S3 said nothing a moment ago: it is not asked")
        return await self._ask(self._begin, call, ASK_SECONDS)

    async def upkeep(self, call: Callable[[], Answer], seconds: float = ASK_SECONDS) -> Answer:
        """For an answer that is being made, or has been."""
        return await self._ask(self._upkeep, call, min(seconds, ASK_SECONDS) if self._rest.silent else seconds)

    async def _ask(self, threads: ThreadPoolExecutor, call: Callable[[], Answer], seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                answer = await asyncio.get_running_loop().run_in_executor(threads, call)
        except (TimeoutError, SilentStoreError) as error:
            self._rest.learn(self._clock(), silent=True)
            text = str(error) or f"S3 said nothing for {seconds:g} s"
            raise SilentStoreError(text) from error
        self._rest.learn(self._clock(), silent=False)
        return answer

    def close(self) -> None:
        """Let go of the threads. What one of them has begun ends by itself: S3's client waits for nothing long."""
        for threads in (self._begin, self._upkeep):
            threads.shutdown(wait=False, cancel_futures=True)
