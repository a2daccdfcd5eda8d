"""Leases when S3 takes a write and its reply is lost: what is there is one's own."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_lease import Leases
from inference_service.gateway.idempotency_store import DONE, FREE, RUNNING, Kept, SilentStoreError
from inference_service.gateway.idempotent_run import Run

LEASE_SECONDS = 60.0  # nobody's ends within these tests


class OneObject:
    """S3 as far as one key goes. `unsaid`: the next write succeeds, and its second attempt is what gets the reply."""

    there: tuple[Kept, str] | None = None
    unsaid = False
    late = False  # the next write succeeds after its reply was given up

    def write(self, identity: str, kept: Kept, over: str | None) -> str | None:
        if (self.there and self.there[1]) != over:
            return None
        self.there = (kept, f"etag-{kept.state}-{kept.beat}-{kept.owner}")
        if self.late:
            self.late = False
            raise SilentStoreError("nothing for 4 s")
        if self.unsaid:
            self.unsaid = False
            return self.write(identity, kept, over)
        return self.there[1]

    def read(self, identity: str) -> tuple[Kept, str] | None:
        return self.there

    @property
    def state(self) -> str | None:
        return self.there[0].state if self.there else None


def run_of() -> Run:
    run = Run("identity", "print")
    run.status, run.body = 200, bytearray(b"{}")
    return run


@contextlib.contextmanager
def leases_of(store: OneObject, seconds: float = LEASE_SECONDS) -> Iterator[Leases]:
    leases = Leases(store, seconds, asyncio.get_running_loop().time)  # type: ignore[arg-type]
    yield leases
    leases.close()


@pytest.mark.parametrize("lost", ["claim", "keep", "release"])
async def test_a_write_whose_reply_is_lost_is_ones_own(lost: str):
    store, run = OneObject(), run_of()
    with leases_of(store) as leases:
        store.unsaid = lost == "claim"
        assert await leases.claim(run, wait=0)
        assert (store.state, run.etag is not None) == (RUNNING, True)
        store.unsaid = lost != "claim"
        if lost == "release":
            await leases.release(run)
        else:
            await leases.keep(run)
    assert store.state == (FREE if lost == "release" else DONE)


async def test_a_renewal_whose_reply_is_lost_goes_on():
    store, run = OneObject(), run_of()
    with leases_of(store, seconds=0.03) as leases:
        assert await leases.claim(run, wait=0)
        store.unsaid = True
        making = asyncio.ensure_future(asyncio.Event().wait())
        renewing = asyncio.ensure_future(leases.renew(run, making))  # type: ignore[arg-type]
        async with asyncio.timeout(10):
            while not store.there or store.there[0].beat < 3:  # noqa: ASYNC110 - nobody is told of a renewal
                await asyncio.sleep(0.002)
        assert not making.cancelled()
        for task in (renewing, making):
            task.cancel()
        await asyncio.gather(renewing, making, return_exceptions=True)


async def test_anothers_answer_is_not_taken_for_ones_own():
    store, run = OneObject(), run_of()
    with leases_of(store) as leases:
        assert await leases.claim(run, wait=0)
        mine = Kept(DONE, run.fingerprint, run.owner, headers=run.headers, body=bytes(run.body))
        store.there = (replace(mine, owner="another"), "etag-of-another")
        with pytest.raises(ApiError) as error:
            await leases.keep(run)
    assert error.value.code == "idempotency_key_in_use"


@pytest.mark.parametrize("whole", [True, False])
async def test_a_claim_that_s3_takes_after_its_time_is_nobodys_for_no_longer_than_the_answer(whole: bool):
    """Else it stands until it runs out, and another gateway makes a second answer then."""
    store, run = OneObject(), run_of()
    with leases_of(store) as leases:
        store.late = True
        assert await leases.claim(run, wait=0)
        assert (store.state, run.etag) == (RUNNING, None)
        await (leases.keep(run) if whole else leases.release(run))
    assert store.state == (DONE if whole else FREE)


async def test_a_claim_that_went_unanswered_is_renewed_once_s3_speaks_again():
    store, run = OneObject(), run_of()
    with leases_of(store, seconds=0.03) as leases:
        store.late = True
        assert await leases.claim(run, wait=0)
        making = asyncio.ensure_future(asyncio.Event().wait())
        renewing = asyncio.ensure_future(leases.renew(run, making))  # type: ignore[arg-type]
        other = run_of()
        await leases.release(other)  # S3 speaks
        async with asyncio.timeout(10):
            while not store.there or store.there[0].beat < 2:  # noqa: ASYNC110 - nobody is told of a renewal
                await asyncio.sleep(0.002)
        assert (store.there[0].owner, making.cancelled()) == (run.owner, False)
        for task in (renewing, making):
            task.cancel()
        await asyncio.gather(renewing, making, return_exceptions=True)
