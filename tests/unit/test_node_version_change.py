"""A node under a wave: it changes to the candidate and back by itself. Real worker, real stub engine, played bucket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from inference_service import contract
from inference_service.artifacts import Pointer, VersionRef, place
from inference_service.artifacts.errors import IntegrityError
from inference_service.node.admission import Admission
from inference_service.node.download import Fetched, Progress
from inference_service.node.engines.stub import StubEngine
from inference_service.node.interruption import Signals
from inference_service.node.local_versions import LocalVersions
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from inference_service.node.warm_up import WarmUp
from inference_service.node.worker import Worker

ONE, TWO = VersionRef("one", "1" * 64), VersionRef("two", "2" * 64)
NODE = "i-1"
CALM, WAVE = Pointer(ONE), Pointer(ONE).raised(TWO, place(NODE) + 1)


@dataclass
class Bucket:
    """Every version is a directory; `missing` counts bytes to download, `corrupt` names what does not verify."""

    local: LocalVersions
    corrupt: dict[str, str] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)

    def fetch(self, reference: VersionRef, progress: Progress, keep: frozenset[str]) -> Fetched:
        target = self.local.complete(reference.version)
        if not target.is_dir():
            self.downloads.append(reference.version)
            if reason := self.corrupt.get(reference.version):
                raise IntegrityError(reason)
            target.mkdir(parents=True)
        return Fetched(reference, target, 0, 0.0, 0.0)


class NoHooks:
    """An instance of no group."""

    async def complete_launch(self) -> None: ...

    async def complete_termination(self) -> None: ...


@dataclass
class Node:
    """The node under test; `unloadable` versions fail in the engine."""

    worker: Worker
    status: NodeStatus
    bucket: Bucket
    unloadable: set[str]
    states: list[str] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                if self.states[-1:] != [self.status.state]:
                    self.states.append(self.status.state)
                await asyncio.sleep(0)

    async def serves(self, version: VersionRef) -> None:
        await self.until(lambda: self.status.ready and self.status.loaded == version)


@asynccontextmanager
async def serving(tmp_path: Path, pointer: Pointer = CALM) -> AsyncIterator[Node]:
    """A node that is ready with version one, unless the pointer says otherwise."""
    status, unloadable = NodeStatus("m", "stub", Admission(2, 2), instance_id=NODE), set[str]()
    engine = StubEngine(StubSettings(load_seconds=0.01), can_load=lambda directory: directory.name not in unloadable)
    local = LocalVersions(tmp_path, "m")
    bucket = Bucket(local)
    warm_up = WarmUp(status, engine, bucket, load_timeout_seconds=5)  # type: ignore[arg-type]
    worker = Worker(status, warm_up, local, NoHooks(), 30)  # type: ignore[arg-type]
    node = Node(worker, status, bucket, unloadable)
    worker.point(pointer, None)
    task = asyncio.create_task(worker.run())
    try:
        await node.serves(pointer.version_for(NODE))
        node.states.clear()
        yield node
        await node.until(lambda: node.worker._working is None)  # a process that ends prunes nothing any more
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_under_the_wave_it_downloads_first_then_drains_loads_and_comes_back(tmp_path: Path):
    async with serving(tmp_path) as node:
        async with node.status.admission.slot():
            node.worker.point(WAVE, None)
            await node.until(lambda: node.status.state == contract.STATE_DRAINING)
            report = node.status.report()
            assert (report["version"], report["wanted"], report["in_flight"]) == ("one", "two", 1)
            assert node.bucket.downloads == ["one", "two"]
        await node.serves(TWO)
        assert node.states == ["ready", "draining", "downloading", "loading", "warming"]
        assert node.status.report()["version"] == "two"


async def test_a_wave_that_does_not_reach_it_changes_nothing(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.worker.point(Pointer(ONE).raised(TWO, place(NODE)), None)
        await asyncio.sleep(0.05)
        assert node.status.report()["wanted"] == "one"
        assert (node.status.ready, node.bucket.downloads) == (True, ["one"])


async def test_when_the_wave_goes_back_it_returns_from_its_own_disk(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.worker.point(WAVE, None)
        await node.serves(TWO)
        node.worker.point(WAVE.given_up(), None)
        await node.serves(ONE)
        assert node.bucket.downloads == ["one", "two"]


async def test_a_node_that_starts_under_a_wave_and_restarts_keeps_the_current_version_on_its_disk(tmp_path: Path):
    async with serving(tmp_path):
        pass
    async with serving(tmp_path, WAVE) as restarted:  # a process that has never loaded version one
        await restarted.until(lambda: restarted.bucket.local.complete("two").is_dir())
        restarted.worker.point(WAVE.given_up(), None)
        await restarted.serves(ONE)
        assert restarted.bucket.downloads == ["two"]


async def test_the_end_of_a_wave_that_succeeded_disturbs_nobody(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.worker.point(WAVE, None)
        await node.serves(TWO)
        node.worker.point(WAVE.promoted(), None)
        await node.until(lambda: node.worker._pointer == Pointer(TWO, previous=ONE))
        await asyncio.sleep(0.05)
        assert (node.status.state, node.status.loaded) == ("ready", TWO)


async def test_a_corrupt_candidate_is_refused_by_name_and_costs_no_answer(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.bucket.corrupt["two"] = "m.gguf differs from its manifest"
        node.worker.point(WAVE, None)
        await node.until(lambda: node.status.refused is not None)
        report = node.status.report()
        assert (report["refused"], report["wanted"], report["version"]) == ("two", "two", "one")
        assert "m.gguf differs" in report["error"]
        assert node.status.ready  # it is verified before anything is unloaded
        node.worker.point(WAVE.given_up(), None)
        await node.until(lambda: node.status.error is None)
        assert (node.status.report()["refused"], node.status.loaded) == (None, ONE)


async def test_a_candidate_that_does_not_load_takes_the_node_out_until_the_wave_goes_back(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.unloadable.add("two")
        node.worker.point(WAVE, None)
        await node.until(lambda: node.status.refused == TWO)
        report = node.status.report()
        assert (node.status.ready, report["version"], report["refused"]) == (False, None, "two")
        assert "the stub finds no model directory" in report["error"]
        node.worker.point(WAVE.given_up(), None)
        await node.serves(ONE)
        assert node.bucket.downloads == ["one", "two"]
        assert node.status.error is None


async def test_a_candidate_that_was_repaired_is_tried_at_once_by_the_next_wave(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.bucket.corrupt["two"] = "m.gguf differs from its manifest"
        node.worker.point(WAVE, None)
        await node.until(lambda: node.status.refused is not None)
        node.worker.point(WAVE.given_up(), None)
        await node.until(lambda: node.status.refused is None)
        node.bucket.corrupt.clear()
        node.worker.point(WAVE, None)
        assert node.status.report()["refused"] is None  # what was is no news of the new wave
        await node.serves(TWO)


async def test_the_wave_that_goes_back_in_mid_load_is_followed_at_once(tmp_path: Path):
    async with serving(tmp_path) as node:
        node.worker.point(WAVE, None)
        await node.until(lambda: node.status.state == contract.STATE_LOADING)
        node.worker.point(WAVE.given_up(), None)
        await node.serves(ONE)
        assert node.status.report()["refused"] is None


async def test_a_node_that_has_to_leave_says_so(tmp_path: Path):
    async with serving(tmp_path) as node:
        assert node.status.report()["leaving"] is False
        node.worker.signal(Signals(target_state="Terminated"))
        await node.until(lambda: node.status.leaving)
