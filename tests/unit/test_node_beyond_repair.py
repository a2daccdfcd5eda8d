"""An engine that will not load again is the machine's fault, and the machine is replaced; an unknown version is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference_service.artifacts import Pointer, VersionRef
from inference_service.node import worker
from inference_service.node.engine_failures import MOST_RESTARTS, RESTARTS_WINDOW_SECONDS, EngineFailures
from inference_service.node.engines.protocol import EngineError
from inference_service.node.engines.watched import WatchedEngine
from inference_service.node.watch import follow_engine
from tests.unit.test_node_worker import ONE, TWO, Node, running

LOST = "CUDA error: GPU has fallen off the bus"


@dataclass
class Group:
    """Answers whoever asks to be replaced, each time with the next of `refusals`."""

    refusals: list[str | None] = field(default_factory=list)
    asked: int = 0

    def ask(self) -> str | None:
        self.asked += 1
        return self.refusals.pop(0) if self.refusals else None


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "retry_after", lambda failures: 0.01)
    monkeypatch.setattr(worker, "LOOK_AGAIN_SECONDS", 0.01)


@asynccontextmanager
async def serving(tmp_path: Path, group: Group) -> AsyncIterator[Node]:
    """A node that serves version one, its engine followed."""
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        following = asyncio.create_task(follow_engine(node.worker, WatchedEngine(node.engine), group, 0.005, 5))  # type: ignore[arg-type]
        try:
            yield node
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def unloadable(node: Node) -> Callable[[], int]:
    """From now on nothing loads; returns how often it was tried."""
    tried = 0

    async def load(directory: Path, compiled: Path | None = None) -> None:
        nonlocal tried
        tried += 1
        raise EngineError(LOST)

    node.engine.load = load  # type: ignore[method-assign]
    return lambda: tried


async def test_a_node_whose_engine_cannot_be_loaded_again_is_replaced_after_two_restarts(tmp_path: Path):
    group = Group()
    async with serving(tmp_path, group) as node:
        tried = unloadable(node)
        node.engine.broken = "the engine has ended"
        await node.until(lambda: group.asked > 0)
        assert tried() >= MOST_RESTARTS
        assert node.status.error == LOST


async def test_one_that_may_not_be_replaced_yet_asks_again_after_its_next_failure(tmp_path: Path):
    group = Group(["1 of 3 nodes were replaced"] * 2)
    async with serving(tmp_path, group) as node:
        unloadable(node)
        node.engine.broken = "the engine has ended"
        await node.until(lambda: group.asked == 3)


async def test_a_version_that_never_served_here_replaces_no_node(tmp_path: Path):
    """It may be corrupt, or too large: on another machine it would fail as well."""
    group = Group()
    async with serving(tmp_path, group) as node:
        tried = unloadable(node)
        node.worker.point(Pointer(TWO, previous=ONE), None)
        await node.until(lambda: tried() > 5 * MOST_RESTARTS)
        assert (node.worker.failures.count, group.asked) == (0, 0)


async def test_a_version_that_cannot_be_fetched_again_replaces_no_node(tmp_path: Path):
    """That is S3's fault, or the disk's."""
    group = Group()
    async with serving(tmp_path, group) as node:
        node.worker.point(Pointer(TWO, previous=ONE), None)
        await node.ready(TWO)
        node.fetcher.refused, asked = {"one": "S3 is away"}, len(node.fetcher.asked)
        node.worker.point(Pointer(ONE, previous=TWO), None)
        await node.until(lambda: len(node.fetcher.asked) > asked + 5 * MOST_RESTARTS)
        assert (node.worker.failures.count, group.asked) == (0, 0)


async def test_an_engine_that_ends_again_and_again_is_replaced_however_soon_it_is_restarted(tmp_path: Path):
    """The worker restarts it between two looks of the follower: each end counts even so."""
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        for failure in range(1, MOST_RESTARTS + 2):
            assert not node.worker.failures.beyond_repair
            node.engine.broken = "the engine has ended"
            await node.until(lambda: node.engine.broken is None and node.status.ready)
            assert node.worker.failures.count == failure
        assert node.worker.failures.beyond_repair


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def failures_at(reference: VersionRef, *hours: float) -> EngineFailures:
    """Served at 0, then the engine and its loads failed."""
    clock = Clock()
    failures = EngineFailures(clock)
    failures.serve(reference)
    for count, hour in enumerate(hours):
        clock.now = hour * 3600
        failures.note_unloaded("wedged") if count == 0 else failures.note_load(reference, LOST)
    return failures


def test_loads_that_hang_for_longer_than_the_window_count_all_the_same():
    assert RESTARTS_WINDOW_SECONDS <= 0.5 * 3600
    assert not failures_at(ONE, 0, 0.6).beyond_repair
    assert failures_at(ONE, 0, 0.6, 1.2).beyond_repair


def test_one_failure_is_counted_once_whoever_sees_it_first():
    failures = EngineFailures(Clock())
    failures.serve(ONE)
    failures.note("it gives no token")
    failures.note_unloaded("it gives no token")
    assert failures.count == 1
    failures.serve(ONE)
    failures.note_unloaded("it has ended")
    assert failures.count == 2
