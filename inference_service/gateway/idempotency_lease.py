"""Who makes the answer under an Idempotency-Key: one gateway at a time, by a lease in S3 that it renews (ADR 10)."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial

import structlog

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_calls import ASK_SECONDS, KEEP_SECONDS, StoreCalls
from inference_service.gateway.idempotency_store import (
    DONE,
    FREE,
    RUNNING,
    IdempotencyStore,
    Kept,
    NotAskedError,
    StoreError,
)
from inference_service.gateway.idempotent_run import Run

LOOKS = 12  # at another gateway's lease, before it counts as lost
RENEWALS = 3


class Leases:
    """Those of one gateway. Without a store each answer is this gateway's alone."""

    def __init__(self, store: IdempotencyStore | None, lease_seconds: float, clock: Callable[[], float]) -> None:
        self._store, self._seconds, self._clock = store, lease_seconds, clock
        self._calls = StoreCalls(clock)

    async def claim(self, run: Run, wait: float) -> bool:
        """Whether this gateway is to make the answer; else the run has another one's.

        Raises:
            ApiError: another body, or another gateway is at it still.
        """
        if self._store is None:
            return True
        try:
            return await self._wait_for_turn(run, wait)
        except ApiError:
            run.owner = ""  # nothing there is this one's
            raise
        except StoreError as error:
            structlog.get_logger().warning("an Idempotency-Key holds for this gateway alone", error=str(error))
            if isinstance(error, NotAskedError):
                run.owner = ""  # else S3 may yet take the claim
            return True

    async def _wait_for_turn(self, run: Run, wait: float) -> bool:
        until, seen_at = self._clock() + wait, self._clock()
        seen: tuple[Kept, str] | None = None
        run.owner = secrets.token_hex(8)
        lease = Kept(RUNNING, run.fingerprint, run.owner)
        run.etag = await self._calls.begin(self._writing(run, lease, None))
        while run.etag is None:
            found = await self._look(run, seen)
            kept, etag = found or (None, None)
            if kept == lease:  # S3 took it without saying so
                run.etag = etag
                return True
            if kept and kept.state != FREE:
                _refuse_other_body(kept.fingerprint, run)
                if kept.state == DONE:
                    run.replay(kept.headers, kept.body)
                    return False
                if seen is None or etag != seen[1]:
                    seen, seen_at = found, self._clock()
                if self._clock() - seen_at < self._seconds:
                    if self._clock() >= until:
                        raise _in_flight()
                    await asyncio.sleep(self._seconds / LOOKS)
                    continue
            run.etag = await self._calls.begin(self._writing(run, lease, etag))
        return True

    async def _look(self, run: Run, before: tuple[Kept, str] | None) -> tuple[Kept, str] | None:
        """What is kept now. Who knows that another gateway is at it learns nothing new from an S3 that fails."""
        try:
            return await self._calls.begin(self._reading(run))
        except StoreError:
            if before is None:
                raise
            return before

    async def renew(self, run: Run, making: "asyncio.Task[None]") -> None:
        """Keep the lease; who loses it to another gateway stops."""
        beat = 0
        while True:
            await asyncio.sleep(self._seconds / RENEWALS)
            beat += 1
            if run.etag is None and self._calls.rests:  # the claim went unanswered, and so would this
                continue
            lease = Kept(RUNNING, run.fingerprint, run.owner, beat)
            async with run.writing:
                try:
                    run.etag = await self._write_over(run, lease)
                except StoreError:  # the end of the answer tells whether the lease was lost
                    continue
            if run.etag is None:
                making.cancel()
                return

    async def _write_over(self, run: Run, kept: Kept, seconds: float = ASK_SECONDS) -> str | None:
        """Write over what this gateway wrote last, also when S3 did so without saying it; None: it is another's now.

        Without an ETag the claim went unanswered, and S3 may have taken it late.
        """
        etag = await self._calls.upkeep(self._writing(run, kept, run.etag), seconds)
        if etag is None and (found := await self._calls.upkeep(self._reading(run), seconds)):
            there, over = found
            if there == kept:
                return over
            if (there.state, there.owner) == (RUNNING, run.owner):
                etag = await self._calls.upkeep(self._writing(run, kept, over), seconds)
        return etag

    def _writing(self, run: Run, kept: Kept, over: str | None) -> Callable[[], str | None]:
        assert self._store is not None
        return partial(self._store.write, run.identity, kept, over)

    def _reading(self, run: Run) -> Callable[[], tuple[Kept, str] | None]:
        assert self._store is not None
        return partial(self._store.read, run.identity)

    async def keep(self, run: Run) -> None:
        """What has been answered, in place of the lease.

        Raises:
            ApiError: another gateway took this one for dead: its answer counts.
        """
        kept = Kept(DONE, run.fingerprint, run.owner, headers=run.headers, body=bytes(run.body))
        try:
            written = await self._write_over(run, kept, KEEP_SECONDS)
        except StoreError as error:
            structlog.get_logger().warning("an answer could not be kept for its Idempotency-Key", error=str(error))
            return
        run.etag = None
        if written is None:
            raise _in_flight()

    async def release(self, run: Run) -> None:
        """The next request with the key begins anew, and need not wait for the lease's end."""
        try:
            given_back = await self._write_over(run, Kept(FREE, run.fingerprint, run.owner))
            reason = None if given_back else "another gateway has it"
        except StoreError as error:
            reason = str(error)
        if reason:
            structlog.get_logger().info("the lease of an answer was not given back", reason=reason)

    def close(self) -> None:
        self._calls.close()


def _refuse_other_body(fingerprint: str, run: Run) -> None:
    if fingerprint != run.fingerprint:
        raise other_body()


def other_body() -> ApiError:
    text = "This Idempotency-Key was used with another request; take a new key for each new request."
    return ApiError(422, text, code="idempotency_key_reused", param=contract.HEADER_IDEMPOTENCY_KEY)


def _in_flight() -> ApiError:
    text = "Another gateway is still answering the request with this Idempotency-Key; ask again with it."
    return ApiError(409, text, code="idempotency_key_in_use", retry_after=2)
