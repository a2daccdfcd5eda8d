"""The worker drives a node through its life: real worker, real stub engine, played bucket and hooks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inference_service import contract
from inference_service.artifacts import Pointer, VersionRef
from inference_service.artifacts.errors import IntegrityError
from inference_service.node.admission import Admission, HandedOverError
from inference_service.node.download import Fetched, Progress
from inference_service.node.engines.stub import StubEngine
from inference_service.node.interruption import Signals, utc_now
from inference_service.node.local_versions import LocalVersions
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from inference_service.node.warm_up import WarmUp
from inference_service.node.watch import keep_launching, keep_terminating
from inference_service.node.worker import Worker

ONE, TWO = VersionRef("one", "1" * 64), VersionRef("two", "2" * 64)


@dataclass
class PlayedFetcher:
    """Versions that are on disk at once, except the refused ones; notes what was asked for."""

    directory: Path
    refused: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def fetch(self, reference: VersionRef, progress: Progress, keep: frozenset[str]) -> Fetched:
        self.asked.append(reference.version)
        if reason := self.refused.get(reference.version):
            raise IntegrityError(reason)
        return Fetched(reference, self.directory, 1, 0.5, 0.25)


@dataclass
class PlayedHooks:
    """Counts what Auto Scaling would have been told."""

    launched: int = 0
    terminated: int = 0
    heartbeats: int = 0

    async def complete_launch(self) -> None:
        self.launched += 1

    async def complete_termination(self) -> None:
        self.terminated += 1

    async def prolong_termination(self) -> bool:
        self.heartbeats += 1
        return True

    async def prolong_launch(self) -> bool:
        self.heartbeats += 1
        return True


@dataclass
class Node:
    """All parts of the node under test."""

    worker: Worker
    status: NodeStatus
    engine: StubEngine
    fetcher: PlayedFetcher
    hooks: PlayedHooks
    running: "asyncio.Task[None] | None" = None

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - conditions of several parts, none of them an event
                await asyncio.sleep(0.005)

    async def ready(self, version: VersionRef) -> None:
        await self.until(lambda: self.status.ready and self.status.loaded == version)


@asynccontextmanager
async def running(
    tmp_path: Path, *, drain_seconds: float = 30, load_seconds: float = 0, **signals: Any
) -> AsyncIterator[Node]:
    status = NodeStatus("m", "stub", Admission(2, 2), instance_id="i-1")
    engine, fetcher, hooks = StubEngine(StubSettings(load_seconds=load_seconds)), PlayedFetcher(tmp_path), PlayedHooks()
    warm_up = WarmUp(status, engine, fetcher, load_timeout_seconds=5)  # type: ignore[arg-type]
    worker = Worker(status, warm_up, LocalVersions(tmp_path, "m"), hooks, drain_seconds)  # type: ignore[arg-type]
    node = Node(worker, status, engine, fetcher, hooks)
    worker.signal(Signals(**signals))
    node.running = asyncio.create_task(worker.run())
    try:
        yield node
    finally:
        node.running.cancel()
        with suppress(asyncio.CancelledError):
            await node.running


@asynccontextmanager
async def answering(node: Node) -> AsyncIterator[asyncio.Event]:
    """One accepted request, in flight until the event is set or the node hands it over."""
    assert node.status.admission.in_flight == 0
    async with answering_one_more(node) as done:
        yield done


@asynccontextmanager
async def answering_one_more(node: Node) -> AsyncIterator[asyncio.Event]:
    done, before = asyncio.Event(), node.status.admission.in_flight

    async def hold() -> None:
        async with node.status.admission.slot():
            await done.wait()

    task = asyncio.create_task(hold())
    await node.until(lambda: node.status.admission.in_flight == before + 1)
    yield done
    done.set()
    with suppress(HandedOverError):
        await task


async def test_a_node_is_ready_after_its_probe_and_only_then_completes_its_launch_hook(tmp_path: Path):
    async with running(tmp_path, load_seconds=0.05) as node:
        node.worker.point(Pointer(ONE), None)
        await node.until(lambda: node.status.state == contract.STATE_LOADING)
        assert node.hooks.launched == 0
        await node.ready(ONE)
        await node.until(lambda: node.hooks.launched == 1)
        assert node.engine.decoded_tokens == 1  # the probe
        seconds = node.status.report()["warm_up_seconds"]
        assert (seconds["download"], seconds["verify"]) == (0.5, 0.25)
        assert seconds["load"] >= 0.05
        assert seconds["probe"] is not None


async def test_without_a_pointer_it_says_which_command_is_missing(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(None, "no active version of m: warmfleet models activate m VERSION")
        await node.until(lambda: "warmfleet models activate" in (node.status.error or ""))
        assert node.status.state == contract.STATE_DOWNLOADING


async def test_a_version_that_differs_keeps_the_node_out_of_service(tmp_path: Path):
    async with running(tmp_path) as node:
        node.fetcher.refused = {"one": "m.gguf differs"}
        node.worker.point(Pointer(ONE), None)
        await node.until(lambda: node.status.error == "m.gguf differs")
        assert (node.status.ready, node.hooks.launched) == (False, 0)
        node.worker.point(Pointer(TWO), None)  # the operator points elsewhere
        await node.ready(TWO)
        assert node.status.error is None


async def test_a_bad_new_version_takes_no_ready_node_out_of_service(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.fetcher.refused = {"two": "m.gguf differs"}
        node.worker.point(Pointer(TWO, previous=ONE), None)
        await node.until(lambda: node.status.error == "m.gguf differs")
        assert node.status.ready
        assert node.status.loaded == ONE


async def test_a_version_change_waits_for_the_answers_in_flight(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        async with answering(node) as done:
            node.worker.point(Pointer(TWO, previous=ONE), None)
            await node.until(lambda: node.status.state == contract.STATE_DRAINING)
            assert node.status.loaded == ONE
            done.set()
            await node.ready(TWO)
        await node.until(lambda: node.hooks.launched == 1)  # the hook is the launch's, not the version's


async def test_answers_longer_than_the_drain_are_handed_over(tmp_path: Path):
    async with running(tmp_path, drain_seconds=0.05) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)

        async def decode_for_ever() -> None:
            async with node.status.admission.slot():
                node.worker.point(Pointer(TWO), None)
                await asyncio.Event().wait()

        with pytest.raises(HandedOverError):
            await decode_for_ever()
        await node.ready(TWO)


async def test_what_waits_for_a_slot_is_handed_back_as_soon_as_the_node_drains(tmp_path: Path):
    async with running(tmp_path) as node, contextlib.AsyncExitStack() as stack:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        for _ in range(node.status.admission.slots):
            await stack.enter_async_context(answering_one_more(node))

        async def wait_for_a_slot() -> None:
            async with node.status.admission.slot():
                raise AssertionError("no slot is free")

        waiting = asyncio.create_task(wait_for_a_slot())
        await node.until(lambda: node.status.admission.in_flight == 3)
        node.worker.signal(Signals(("terminate", utc_now() + timedelta(seconds=100))))
        with pytest.raises(HandedOverError):
            await waiting
        assert node.status.admission.in_flight == 2  # what runs may go on


async def test_a_draining_node_reports_the_time_left_and_a_notice_shortens_it(tmp_path: Path):
    async with running(tmp_path, drain_seconds=100) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        assert node.status.report()["drain_seconds_left"] is None
        async with answering(node):
            node.worker.point(Pointer(TWO), None)
            await node.until(lambda: 90 < (node.status.report()["drain_seconds_left"] or 0) <= 100)
            node.worker.signal(Signals(("terminate", utc_now() + timedelta(seconds=35))))  # 5 s of it are kept back
            await node.until(lambda: 20 < (node.status.report()["drain_seconds_left"] or 0) <= 30)


async def test_a_pointer_that_cannot_be_read_takes_no_version_away(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.worker.point(None, "S3 is away")
        node.worker.point(None, "S3 is away")
        await asyncio.sleep(0)
        assert node.status.ready
        assert node.status.error is None


async def test_a_pointer_that_cannot_be_read_cancels_no_warm_up(tmp_path: Path):
    async with running(tmp_path, load_seconds=0.2) as node:
        node.worker.point(Pointer(ONE), None)
        await node.until(lambda: node.status.state == contract.STATE_LOADING)
        work = node.worker._work
        node.worker.point(None, "S3 is away")
        await node.ready(ONE)
        assert work is not None
        assert not work.cancelled()


async def test_a_terminating_node_finishes_its_answers_then_completes_the_hook_and_ends(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        async with answering(node) as done:
            node.worker.signal(Signals(target_state="Terminated"))
            await node.until(lambda: node.status.state == contract.STATE_DRAINING)
            assert node.hooks.terminated == 0
            done.set()
            assert node.running is not None
            await asyncio.wait_for(node.running, 5)
        assert (node.status.state, node.hooks.terminated) == (contract.STATE_STOPPED, 1)


async def test_an_instance_that_is_terminating_at_its_start_loads_nothing(tmp_path: Path):
    async with running(tmp_path, target_state="Terminated") as node:
        node.worker.point(Pointer(ONE), None)
        assert node.running is not None
        await asyncio.wait_for(node.running, 5)
        assert (node.fetcher.asked, node.hooks.launched, node.hooks.terminated) == ([], 0, 1)


async def test_a_stop_signal_drains_and_leaves_the_hook_alone(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.worker.request_stop()
        assert node.running is not None
        await asyncio.wait_for(node.running, 5)
        assert (node.status.state, node.hooks.terminated) == (contract.STATE_STOPPED, 0)


async def test_a_spot_notice_that_is_withdrawn_brings_the_node_back(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.worker.signal(Signals(("terminate", utc_now() + timedelta(seconds=120))))
        await node.until(lambda: node.status.state == contract.STATE_DRAINING)
        node.worker.signal(Signals())
        await node.ready(ONE)
        assert node.fetcher.asked == ["one"]


async def test_a_node_whose_spot_time_has_come_ends(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        async with answering(node):
            node.worker.signal(Signals(("terminate", utc_now() + timedelta(seconds=5.2))))  # 5 s of it are kept back
            assert node.running is not None
            await asyncio.wait_for(node.running, 5)


async def test_a_rebalance_recommendation_is_reported_and_the_node_goes_on(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.worker.signal(Signals(rebalance_noticed_at=utc_now()))
        assert node.status.report()["rebalance_recommended"] is True
        assert node.status.ready


async def test_an_engine_that_died_is_loaded_again(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        node.engine.broken = "the engine has ended"
        await node.until(lambda: node.engine.broken is None and node.status.ready)
        assert node.fetcher.asked == ["one"]


async def test_answers_of_an_engine_that_died_do_not_hold_up_its_restart(tmp_path: Path):
    async with running(tmp_path, drain_seconds=30) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        async with answering(node):
            node.engine.broken = "the engine has ended"
            await node.until(lambda: node.engine.broken is None and node.status.ready)
        assert node.status.interruptions == {"engine_failure": 1}


async def test_the_terminate_hook_gets_heartbeats_while_answers_are_finished(tmp_path: Path):
    async with running(tmp_path) as node:
        node.worker.point(Pointer(ONE), None)
        await node.ready(ONE)
        beating = asyncio.create_task(keep_terminating(node.worker, node.hooks, 0.001))  # type: ignore[arg-type]
        async with answering(node) as done:
            assert node.hooks.heartbeats == 0
            node.worker.signal(Signals(target_state="Terminated"))
            await node.until(lambda: node.hooks.heartbeats > 1)
            done.set()
            await node.until(lambda: node.hooks.terminated == 1)
        beating.cancel()


@pytest.mark.parametrize("progressing", [True, False])
async def test_heartbeats_go_on_only_while_the_warm_up_progresses(progressing: bool):
    @dataclass
    class Watched:
        marks: int = 0

        def warm_up_mark(self) -> int:
            self.marks += 1
            return self.marks if progressing else 0

    watched, hooks = Watched(), PlayedHooks()
    task = asyncio.create_task(keep_launching(watched, hooks, 0.001))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while watched.marks < 20:  # noqa: ASYNC110 - counted by the code under test
            await asyncio.sleep(0.001)
    task.cancel()
    assert (hooks.heartbeats > 5) if progressing else (hooks.heartbeats == 0)
