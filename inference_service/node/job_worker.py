"""Does jobs with what interactive requests leave over; gives them back at once when the node has to leave."""

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.jobs import COMPLETED, EXPIRED, FAILED, Job, JobError, parse
from inference_service.node import answer, chat_wire
from inference_service.node.admission import HandedOverError, NodeBusyError
from inference_service.node.chat_request import RequestError
from inference_service.node.chat_request import parse as parse_request
from inference_service.node.engines.protocol import Engine, EngineError
from inference_service.node.job_queue import JobQueue, Received
from inference_service.node.readiness import NodeStatus

HOLD_SECONDS = 60  # the queue's own visibility timeout (infra/components/work_queue.py)
PROLONG_SECONDS = 20.0
WAIT_SECONDS = 5  # a long poll: a node that leaves waits for its last one
LOOK_SECONDS = 0.2
TRY_AGAIN_SECONDS = 5  # after a failure: another node may be luckier
LONGEST_PAUSE_SECONDS = 30.0
AWS_ERRORS = (ClientError, BotoCoreError)


def room(status: NodeStatus, jobs: int) -> int:
    """How many more jobs fit: slots that nothing uses, less one that is kept for whoever comes. Pure."""
    admission = status.admission
    kept = 1 if admission.slots > 1 else 0
    free = admission.slots - max(admission.in_flight, jobs) - kept
    return max(0, free) if status.ready else 0


class JobWorker:
    """`clock` tells seconds since the epoch. `acknowledge_first`: a guard off, for tests: deletes before it works."""

    def __init__(
        self,
        status: NodeStatus,
        engine: Engine,
        queue: JobQueue,
        clock: Callable[[], float],
        *,
        acknowledge_first: bool = False,
    ) -> None:
        self._status = status
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._acknowledge_first = acknowledge_first
        self._jobs: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """For ever; what is under way when this is cancelled goes back to the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pull())
                group.create_task(self._leave_in_time())
        finally:
            await self._give_back()

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
                task = asyncio.create_task(self._do(each))
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)

    async def _receive(self, most: int) -> list[Received]:
        """What comes after this was cancelled, or after the node stopped taking work, is given back."""
        receiving = asyncio.ensure_future(asyncio.to_thread(self._queue.receive, most, WAIT_SECONDS))
        try:
            received = await asyncio.shield(receiving)
        except asyncio.CancelledError:
            with suppress(*AWS_ERRORS):
                for each in await receiving:
                    await self._hold(each, 0)
            raise
        if self._status.ready:
            return received
        for each in received:
            await self._hold(each, 0)
        return []

    async def _leave_in_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._status.ready:
                await self._give_back()

    async def _give_back(self) -> None:
        jobs = list(self._jobs)
        for task in jobs:
            task.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _do(self, received: Received) -> None:
        try:
            job = parse(received.text)
        except JobError as error:
            self._log.error("a message that is no job", error=str(error), receives=received.receives)
            await self._hold(received, TRY_AGAIN_SECONDS)  # in the end it is a dead letter
            return
        prolonging = asyncio.create_task(self._prolong(received))
        try:
            await self._done(job, received)
        except asyncio.CancelledError:
            await asyncio.shield(self._hold(received, 0))
            raise
        except (HandedOverError, NodeBusyError):
            await self._hold(received, 0)
        except (EngineError, *AWS_ERRORS) as error:
            self._log.warning("a job failed", job=job.id, receives=received.receives, error=str(error))
            await self._note(job, received, str(error))
            await self._hold(received, TRY_AGAIN_SECONDS)
        finally:
            prolonging.cancel()

    async def _done(self, job: Job, received: Received) -> None:
        if self._acknowledge_first:
            await asyncio.to_thread(self._queue.delete, received)
        if not await asyncio.to_thread(self._queue.has_result, job.id):
            await self._note(job, received, "it has not ended: the node was lost, or still works on it")
            document = await self._result(job, received)
            first = await asyncio.to_thread(self._queue.write_result, job.id, document)
            self._log.info("job done", job=job.id, status=document["status"], receives=received.receives, first=first)
        if not self._acknowledge_first:
            await asyncio.to_thread(self._queue.delete, received)

    async def _result(self, job: Job, received: Received) -> dict[str, Any]:
        """Completed, failed for a reason that no other try would change, or too late.

        Raises:
            EngineError, HandedOverError, NodeBusyError: another try may succeed.
        """
        members = {"id": job.id, "node": self._status.instance_id, "attempt": received.receives}
        if job.deadline_seconds is not None and self._clock() > received.sent_at + job.deadline_seconds:
            return members | {"status": EXPIRED, "response": None, "error": None}
        try:
            response = await self._answer(job)
        except RequestError as error:
            failed = json.loads(chat_wire.error(str(error), status=error.status, param=error.param, code=error.code))
            return members | {"status": FAILED, "response": None, **failed}
        except EngineError as error:
            if error.status >= 500:
                raise
            failed = json.loads(chat_wire.error(str(error), status=error.status, param=error.param, code=error.code))
            return members | {"status": FAILED, "response": None, **failed}
        return members | {"status": COMPLETED, "response": response, "error": None}

    async def _answer(self, job: Job) -> dict[str, Any]:
        chat = parse_request({"model": job.model, **job.body}, json_schema=self._engine.supports_json_schema)
        if chat.model != self._status.model or job.model != self._status.model:
            raise RequestError(f"this queue is for model {self._status.model}", param="model", code="model_not_found")
        async with self._status.admission.slot():
            try:
                async with aclosing(answer.answer(self._engine, chat.generation)) as pieces:
                    complete = await answer.whole(pieces)
            except EngineError as error:
                if error.status >= 500:
                    self._status.count_answer(failed=True)
                raise
        self._status.count_answer(failed=False)
        body = chat_wire.completion(f"chatcmpl-{secrets.token_hex(12)}", int(self._clock()), chat.model, complete)
        document: dict[str, Any] = json.loads(body)
        document.pop(contract.CHUNK_EXTENSION)
        return document

    async def _note(self, job: Job, received: Received, problem: str) -> None:
        document = {"attempt": received.receives, "node": self._status.instance_id, "problem": problem}
        with suppress(*AWS_ERRORS):
            await asyncio.to_thread(self._queue.note_attempt, job.id, document | {"at": round(self._clock(), 3)})

    async def _prolong(self, received: Received) -> None:
        while True:
            await asyncio.sleep(PROLONG_SECONDS)
            await self._hold(received, HOLD_SECONDS)

    async def _hold(self, received: Received, seconds: int) -> None:
        try:
            await asyncio.to_thread(self._queue.hold, received, seconds)
        except AWS_ERRORS as error:  # then it comes back by itself, after HOLD_SECONDS
            self._log.warning("a job's visibility cannot be changed", error=str(error))
