"""Calls of the store of kept answers: bounded in time and threads, and none for a while after silence."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from inference_service.gateway import idempotency_calls
from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_calls import BEGIN_THREADS, REST_SECONDS, StoreCalls
from inference_service.gateway.idempotency_lease import Leases
from inference_service.gateway.idempotency_store import RUNNING, Kept, SilentStoreError, StoreError
from inference_service.gateway.idempotent_run import Run


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Calls wait for it; it comes at the test's end at the latest."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_call_that_takes_too_long_is_given_up_and_then_one_asks_again_for_all(
    go: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(idempotency_calls, "ASK_SECONDS", 0.05)
    clock = Clock()
    calls, asked = StoreCalls(clock), 0

    def count() -> int:
        nonlocal asked
        asked += 1
        return asked

    with pytest.raises(SilentStoreError, match="nothing for"):
        await calls.begin(go.wait)
    with pytest.raises(SilentStoreError, match="not asked"):
        await calls.begin(count)
    assert asked == 0
    clock.now += REST_SECONDS + 1
    first = asyncio.ensure_future(calls.begin(go.wait))
    await asyncio.sleep(0)  # it has begun
    with pytest.raises(SilentStoreError, match="not asked"):
        await calls.begin(count)
    with pytest.raises(SilentStoreError, match="nothing for"):
        await first
    clock.now += REST_SECONDS + 1
    assert [await calls.begin(count) for _ in range(3)] == [1, 2, 3], "it answers again"
    calls.close()


async def test_requests_that_begin_take_no_thread_from_leases_that_are_renewed(go: threading.Event):
    calls = StoreCalls(Clock())
    begun = [asyncio.ensure_future(calls.begin(go.wait)) for _ in range(BEGIN_THREADS + 1)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(calls.upkeep(lambda: "renewed"), 3) == "renewed"
    go.set()
    await asyncio.gather(*begun)
    calls.close()


async def test_a_failure_that_comes_at_once_is_asked_for_again():
    calls, asked = StoreCalls(Clock()), 0

    def refuses() -> None:
        nonlocal asked
        asked += 1
        raise StoreError("refused")

    for _ in range(2):
        with pytest.raises(StoreError, match="refused"):
            await calls.begin(refuses)
    assert asked == 2
    calls.close()


async def test_closed_the_threads_end():
    calls = StoreCalls(Clock())
    thread = await calls.begin(threading.current_thread)
    calls.close()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


class FailsOnceSeen:
    """Another gateway's lease, seen once; then S3 fails."""

    looks = 0

    def write(self, identity: str, kept: Kept, over: str | None) -> str | None:
        return None

    def read(self, identity: str) -> tuple[Kept, str]:
        self.looks += 1
        if self.looks > 1:
            raise StoreError("503")
        return Kept(RUNNING, "print", "another"), "etag"


async def test_who_has_seen_anothers_lease_makes_no_second_answer_because_s3_fails():
    store = FailsOnceSeen()
    leases = Leases(store, 1.2, asyncio.get_running_loop().time)  # type: ignore[arg-type]
    with pytest.raises(ApiError) as error:
        await leases.claim(Run("identity", "print"), wait=0.3)
    assert (error.value.status, error.value.code) == (409, "idempotency_key_in_use")
    assert store.looks > 1
    leases.close()
