"""Takes jobs for what interactive requests leave over; gives them back at once when the node has to leave."""

import asyncio
from contextlib import suppress

import structlog

from inference_service.node.job_doer import AWS_ERRORS, JobDoer
from inference_service.node.job_queue import JobQueue, Received
from inference_service.node.readiness import NodeStatus

WAIT_SECONDS = 5  # a long poll: a node that leaves waits for its last one
LOOK_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0


def room(status: NodeStatus, jobs: int) -> int:
    """How many more jobs fit: slots that nothing uses, less one that is kept for whoever comes. Pure."""
    admission = status.admission
    kept = 1 if admission.slots > 1 else 0
    free = admission.slots - max(admission.occupied, jobs) - kept
    return max(0, free) if status.ready else 0


class JobWorker:
    """Pulls messages and has `JobDoer` do them."""

    def __init__(self, status: NodeStatus, queue: JobQueue, doer: JobDoer) -> None:
        self._status = status
        self._queue = queue
        self._doer = doer
        self._jobs: set[asyncio.Task[None]] = set()
        self._told: set[asyncio.Task[None]] = set()  # to give themselves back
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """For ever; what is under way when this is cancelled goes back to the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pull())
                group.create_task(self._leave_in_time())
        finally:
            await self._give_all_back()

    async def _pull(self) -> None:
        failures = 0
        while True:
            if not (most := room(self._status, len(self._jobs))):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            try:
                received = await self._receive(most)
                failures = 0
            except AWS_ERRORS as error:
                failures += 1
                if failures == 1:  # once, not for as long as it lasts
                    self._log.warning("no jobs can be received", error=str(error))
                await asyncio.sleep(min(LONGEST_PAUSE_SECONDS, 2.0**failures / 2))
                continue
            for each in received:
                task = asyncio.create_task(self._doer.do(each))
                self._jobs.add(task)
                task.add_done_callback(self._ended)

    async def _receive(self, most: int) -> list[Received]:
        """What comes after this was cancelled, or after the node stopped taking work, is given back."""
        receiving = asyncio.ensure_future(asyncio.to_thread(self._queue.receive, most, WAIT_SECONDS))
        try:
            received = await asyncio.shield(receiving)
        except asyncio.CancelledError:
            with suppress(*AWS_ERRORS):
                for each in await receiving:
                    await self._doer.hold(each, 0)
            raise
        if self._status.ready:
            return received
        for each in received:
            await self._doer.hold(each, 0)
        return []

    async def _leave_in_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._status.ready:
                await self._give_all_back()

    async def _give_all_back(self) -> None:
        """Each is told once: told again while it gives itself back it would leave off halfway."""
        for task in self._jobs - self._told:
            task.cancel()
        self._told |= self._jobs
        if self._jobs:
            await asyncio.wait(set(self._jobs))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        self._told.discard(task)
