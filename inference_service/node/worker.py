"""Drives the node: observes, asks the state machine for the next step, takes it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from inference_service import contract
from inference_service.artifacts import ArtifactError, Pointer, VersionRef
from inference_service.node.download import Fetched
from inference_service.node.engine_failures import EngineFailures
from inference_service.node.engines.protocol import EngineError
from inference_service.node.give_up import give_up_answers
from inference_service.node.hooks import LifecycleHooks
from inference_service.node.interruption import TERMINATED, Interruption, Signals, drain_deadline, interruption, utc_now
from inference_service.node.local_versions import LocalVersions
from inference_service.node.readiness import NodeStatus
from inference_service.node.state import Observation, Step, next_step, retry_after
from inference_service.node.warm_up import WarmUp

LOOK_AGAIN_SECONDS = 0.5  # deadlines, retries and a broken engine are noticed within this time
EXPECTED_FAILURES = (ArtifactError, EngineError, OSError)


class Worker:
    """One node's life. `point`, `signal` and `request_stop` tell it what has changed; `run` ends when it may exit."""

    def __init__(
        self,
        status: NodeStatus,
        warm_up: WarmUp,
        local: LocalVersions,
        hooks: LifecycleHooks,
        drain_seconds: float,
        rebalance_reaction: str = contract.REBALANCE_IGNORE,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.signals = Signals()
        self.failures = EngineFailures()
        self._status = status
        self._warm_up = warm_up
        self._local = local
        self._hooks = hooks
        self._drain_seconds = drain_seconds
        self._rebalance_reaction = rebalance_reaction
        self._now = now
        self._changed = asyncio.Event()
        self._pointer: Pointer | None = None
        self._pointer_problem: str | None = None
        self._fetched: Fetched | None = None
        self._before: VersionRef | None = None  # served before the one loaded now: kept on disk
        self._work: asyncio.Task[None] | None = None
        self._working: VersionRef | None = None
        self._refusal: str | None = None
        self._failures = 0
        self._retry_at: datetime | None = None
        self._drain_until: datetime | None = None
        self._launch: asyncio.Task[None] | None = None
        status.admission.on_change = self._changed.set

    def point(self, pointer: Pointer | None, problem: str | None) -> None:
        """The pointer as read; None where it is absent or cannot be read, which takes no version away."""
        self._pointer = pointer or self._pointer
        self._pointer_problem = problem
        self._status.wanted = self._wanted()
        if self._status.refused not in (None, self._wanted()):
            self._forgive()  # asked for again one day, it is tried again: it may have been repaired
        self._changed.set()

    def signal(self, signals: Signals) -> None:
        """What metadata says now."""
        self.signals = replace(signals, stop_requested=self.signals.stop_requested)
        self._status.rebalance_recommended = signals.rebalance_noticed_at is not None
        self._changed.set()

    def request_stop(self) -> None:
        """Drain, then end: what SIGTERM means."""
        self.signals = replace(self.signals, stop_requested=True)
        self._changed.set()

    def engine_failed(self, problem: str) -> None:
        """The engine gives no answers; it is loaded again."""
        structlog.get_logger().error("the engine has failed", problem=problem)
        self.failures.note(problem)
        self._changed.set()

    @property
    def ready(self) -> bool:
        return self._status.ready

    @property
    def finishing(self) -> bool:
        """Whether Auto Scaling waits for answers of this node."""
        return self.signals.target_state == TERMINATED and self._status.admission.in_flight > 0

    def warm_up_mark(self) -> object | None:
        """Something that changes as the warm-up progresses; None when none is under way."""
        if self._working is None:
            return None
        loading = self._status.state in (contract.STATE_LOADING, contract.STATE_WARMING)  # bounded by its own timeout
        return (self._status.state, self._warm_up.progress.bytes, self._now() if loading else None)

    async def run(self) -> None:
        """Take step after step until the node has drained for good."""
        while True:
            self._changed.clear()
            step = next_step(self._observe())
            self._note_interruption()
            self._status.drain_seconds_left = self._drain_seconds_left()
            self._status.error = self._explanation()
            if step is Step.STOP:
                break
            if step is Step.CANCEL and self._work and not self._work.cancelling():  # again would break off its closing
                self._work.cancel()
            if step in (Step.WAIT, Step.CANCEL):
                await self._pause()
            else:
                await self._take(step)
        await self._stop()

    def _observe(self) -> Observation:
        why, now = self._interruption(), self._now()
        deadline = self._drain_deadline()
        drained = self._status.admission.in_flight == 0 or (deadline is not None and now >= deadline)
        return Observation(
            state=self._status.state,
            wanted=self._wanted(),
            fetched=self._fetched.reference if self._fetched else None,
            loaded=self._status.loaded,
            working=self._working,
            refused=self._status.refused,
            retry_due=self._retry_at is not None and now >= self._retry_at,
            engine_failed=self._engine_failure() is not None,
            leaving=why is not None and why.leaving,
            final=why is not None and why.final,
            drained=drained,
        )

    def _wanted(self) -> VersionRef | None:
        return self._pointer.version_for(self._status.instance_id) if self._pointer else None

    def _interruption(self) -> Interruption | None:
        seen = replace(self.signals, engine_failure=self._engine_failure())
        return interruption(seen, self._now(), self._rebalance_reaction)

    def _engine_failure(self) -> str | None:
        return self._warm_up.engine.failure() if self._status.loaded else None

    def _note_interruption(self) -> None:
        before, why = self._status.interruption, self._interruption()
        self._status.interrupt(why)
        if why and why.kind != (before.kind if before else None):
            deadline = why.deadline.isoformat() if why.deadline else None
            structlog.get_logger().warning("interrupted", kind=why.kind, reason=why.reason, deadline=deadline)
        elif before and not why:
            structlog.get_logger().info("no longer interrupted", kind=before.kind)

    def _explanation(self) -> str | None:
        """Why the node is not (or soon no longer) what it should be, in words."""
        why = self._interruption()
        if why and why.leaving:
            return why.reason
        if self._refusal:
            return self._refusal
        if why:
            return why.reason
        return None if self._status.loaded else self._pointer_problem

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):  # Python 3.11's wait_for can swallow a cancellation
                await self._changed.wait()

    async def _take(self, step: Step) -> None:
        wanted = self._wanted()
        structlog.get_logger().info("next step", step=step.value, state=self._status.state, error=self._status.error)
        if step is Step.FETCH and wanted:
            if self._status.loaded is None:
                self._status.state = contract.STATE_DOWNLOADING
            self._begin(wanted, self._fetch(wanted))
        elif step is Step.LOAD and wanted and self._fetched:
            self._begin(wanted, self._load(self._fetched))
        elif step is Step.DRAIN:
            self._drain()
        elif step is Step.UNLOAD:
            await self._unload()
        elif step is Step.RESUME:
            self._status.state = contract.STATE_READY if self._status.loaded else contract.STATE_DOWNLOADING

    def _drain(self) -> None:
        now = self._now()
        self._drain_until = drain_deadline(self._interruption(), self._drain_seconds, now)
        self._status.state = contract.STATE_DRAINING
        self._status.drain_seconds_left = self._drain_seconds_left()
        self._status.admission.hand_over_waiting()

    def _drain_seconds_left(self) -> float | None:
        deadline = self._drain_deadline()
        if self._status.state != contract.STATE_DRAINING or deadline is None:
            return None
        return max(0.0, (deadline - self._now()).total_seconds())

    def _drain_deadline(self) -> datetime | None:
        """A notice may come while the node drains for another reason, and leave it less time."""
        why = self._interruption()
        return min(self._drain_until, why.deadline) if self._drain_until and why and why.deadline else self._drain_until

    async def _unload(self) -> None:
        self.failures.note_unloaded(self._engine_failure())
        await give_up_answers(self._status.admission, self._changed)
        await self._warm_up.engine.close()
        self._before = self._status.loaded
        self._status.loaded = None
        self._status.state = contract.STATE_DOWNLOADING

    def _begin(self, reference: VersionRef, work: Coroutine[Any, Any, None]) -> None:
        self._working = reference
        self._work = asyncio.create_task(self._attempt(reference, work))

    async def _attempt(self, reference: VersionRef, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EXPECTED_FAILURES as error:
            self._refuse(reference, str(error))
        except Exception as error:  # a bug, or a library's surprise: out of service, but alive and saying so
            structlog.get_logger().exception("unexpected failure")
            self._refuse(reference, f"{type(error).__name__}: {error}")
        finally:
            self._working = None
            self._changed.set()

    async def _fetch(self, reference: VersionRef) -> None:
        self._fetched = await self._warm_up.fetch(reference, self._kept() | {reference.version})

    async def _load(self, fetched: Fetched) -> None:
        try:
            await self._warm_up.load(fetched)
        except Exception as error:
            self.failures.note_load(fetched.reference, str(error))
            raise
        self._status.serve(fetched.reference)
        self.failures.serve(fetched.reference)
        self._forgive()
        structlog.get_logger().info("ready", **self._status.report())
        self._launch = self._launch or asyncio.create_task(self._hooks.complete_launch())
        await asyncio.to_thread(self._local.prune, self._kept())

    def _kept(self) -> frozenset[str]:
        """Versions that stay on disk: loaded now, loaded before, the one to roll back to, and the one under a wave."""
        pointed = (self._pointer.current, self._pointer.previous) if self._pointer else ()
        return frozenset(kept.version for kept in (self._status.loaded, self._before, *pointed) if kept)

    def _refuse(self, reference: VersionRef, error: str) -> None:
        if reference != self._wanted():
            return  # nobody asks for it any more
        self._failures = self._failures + 1 if reference == self._status.refused else 1
        self._status.refused, self._refusal = reference, error
        self._status.error = self._explanation()  # with it: who reads of a refusal reads why
        self._retry_at = self._now() + timedelta(seconds=retry_after(self._failures))
        structlog.get_logger().error("version refused", version=reference.version, error=error)

    def _forgive(self) -> None:
        self._status.refused, self._refusal, self._failures, self._retry_at = None, None, 0, None
        self._status.error = self._explanation()

    async def _stop(self) -> None:
        await give_up_answers(self._status.admission, self._changed)
        if self._launch:
            self._launch.cancel()
        await self._warm_up.engine.close()
        if self.signals.target_state == TERMINATED:
            await self._hooks.complete_termination()
        self._status.state = contract.STATE_STOPPED
        structlog.get_logger().info("stopped", reason=self._status.error)
