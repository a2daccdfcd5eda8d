"""Work that is given up ends cleanly before the next begins: no engine is left behind, no two threads on one file."""

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference_service import contract
from inference_service.artifacts import Pointer, VersionRef
from inference_service.node import worker
from inference_service.node.download import Fetched, Progress
from tests.unit.test_node_worker import ONE, TWO, Node, running

LOOKS = 20  # of the worker, while the old work ends


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_AGAIN_SECONDS", 0.002)


async def looks(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the worker has looked that often."""
    seen, observe = 0, node.worker._observe

    def counting() -> object:
        nonlocal seen
        seen += 1
        return observe()

    monkeypatch.setattr(node.worker, "_observe", counting)
    await node.until(lambda: seen > LOOKS)


async def test_an_engine_that_takes_long_to_close_is_closed_before_another_one_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with running(tmp_path) as node:
        go, events, load = asyncio.Event(), list[str](), node.engine.load

        async def load_for_ever(directory: Path, compiled: Path | None = None) -> None:
            await asyncio.Event().wait()

        async def close_slowly() -> None:
            events.append("closing")
            await go.wait()
            events.append("closed")

        node.engine.load = load_for_ever  # type: ignore[method-assign]
        node.engine.close = close_slowly  # type: ignore[method-assign]
        node.worker.point(Pointer(ONE), None)
        await node.until(lambda: node.status.state == contract.STATE_LOADING)
        node.engine.load = load  # type: ignore[method-assign]
        node.worker.point(Pointer(TWO), None)
        await node.until(lambda: events == ["closing"])
        await looks(node, monkeypatch)
        assert not node.status.ready
        go.set()
        await node.ready(TWO)
        assert events[:2] == ["closing", "closed"]


@dataclass
class SlowFetcher:
    """The first download sees late that it is cancelled."""

    directory: Path
    go: threading.Event = field(default_factory=threading.Event)
    running: list[str] = field(default_factory=list)
    most: int = 0

    def fetch(self, reference: VersionRef, progress: Progress, keep: frozenset[str]) -> Fetched:
        self.running.append(reference.version)
        self.most = max(self.most, len(self.running))
        if reference == ONE:
            assert self.go.wait(20)
        self.running.remove(reference.version)
        return Fetched(reference, self.directory, 1, 0.5, 0.25)


async def test_a_download_that_is_given_up_has_ended_before_another_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with running(tmp_path) as node:
        node.worker._warm_up.fetcher = slow = SlowFetcher(tmp_path)  # type: ignore[assignment]
        node.worker.point(Pointer(ONE), None)
        await node.until(lambda: slow.running == ["one"])
        node.worker.point(Pointer(TWO), None)
        await looks(node, monkeypatch)
        slow.go.set()
        await node.ready(TWO)
        assert slow.most == 1
