"""Does one job: decodes its answer, writes the result once, and says what came of it."""

import asyncio
import json
import secrets
import traceback
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.jobs import Job, JobError, parse
from inference_service.node import answer, chat_wire
from inference_service.node.admission import HandedOverError, NodeBusyError
from inference_service.node.chat_request import RequestError
from inference_service.node.chat_request import parse as parse_request
from inference_service.node.engines.protocol import Engine, EngineError
from inference_service.node.job_attempts import AWS_SILENT, GIVEN_BACK, UNFINISHED, Attempts, attempts_of
from inference_service.node.job_queue import JobQueue, Received
from inference_service.node.readiness import NodeStatus

HOLD_SECONDS = 60  # the queue's own visibility timeout (infra/components/work_queue.py)
PROLONG_SECONDS = 20.0
TRY_AGAIN_SECONDS = 5  # after a failure: another node may be luckier
AWS_ERRORS = (ClientError, BotoCoreError)


def unforeseen(error: Exception) -> str:
    """Its kind and its place. Its words may hold some of the prompt."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"an unexpected {type(error).__name__} at {Path(place.filename).name}, line {place.lineno}"


@dataclass
class Try:
    """A job that this node was given.

    `before`: how often it has failed until now; `begun`: this try is noted. A call that prolongs it must not arrive
    after the one that gives it back: they take turns by `holding`, and none prolongs once it is `over`.
    """

    job: Job
    received: Received
    before: Attempts
    begun: bool = False
    over: bool = False
    holding: asyncio.Lock = field(default_factory=asyncio.Lock)


class JobDoer:
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
        self._log = structlog.get_logger()

    async def do(self, received: Received) -> None:
        try:
            job = parse(received.text)
        except JobError as error:
            await self._bury(None, received, f"no job: {error}")
            return
        tried = Try(job, received, Attempts(received.message_id))
        prolonging = asyncio.create_task(self._prolong(tried))
        try:
            await self._done(tried)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(tried, GIVEN_BACK, 0))
            raise
        except (HandedOverError, NodeBusyError):
            await self._give_back(tried, GIVEN_BACK, 0)
        except AWS_ERRORS as error:  # not the job's fault
            await self._give_back(tried, f"{AWS_SILENT}: {error}", TRY_AGAIN_SECONDS)
        except EngineError as error:
            await self._failed(tried, str(error))
        except Exception as error:  # a bug, or a job nobody thought of: it must not go round until SQS gives it up
            await self._failed(tried, unforeseen(error))
        finally:
            prolonging.cancel()

    async def _done(self, tried: Try) -> None:
        job, received = tried.job, tried.received
        if self._acknowledge_first:
            await asyncio.to_thread(self._queue.delete, received)
        if await asyncio.to_thread(self._queue.has_result, job.id):
            outcome = contract.JOB_FOUND_DONE
        elif await self._exhausted(tried):
            await self._bury(job, received, tried.before.problem)
            return
        else:
            outcome = await self._answered(tried)
        self._count(outcome)
        if not self._acknowledge_first:
            await asyncio.to_thread(self._queue.delete, received)

    async def _exhausted(self, tried: Try) -> bool:
        """Nodes may have been lost over it, one after another: none of them could say so."""
        if tried.received.receives > 1:
            known = await asyncio.to_thread(self._queue.last_attempt, tried.job.id)
            tried.before = attempts_of(known, tried.received.message_id)
        return tried.before.exhausted

    async def _answered(self, tried: Try) -> str:
        """With which of contract.JOB_OUTCOMES."""
        job, received = tried.job, tried.received
        tried.begun = True
        await self._note(tried, tried.before.failed(UNFINISHED))  # true if nothing is ever heard of this try again
        document = await self._result(job, received)
        first = await asyncio.to_thread(self._queue.write_result, job.id, document)
        self._log.info("job done", job=job.id, status=document["status"], receives=received.receives, first=first)
        return str(document["status"]) if first else contract.JOB_FOUND_DONE

    async def _failed(self, tried: Try, problem: str) -> None:
        """Another node may be luckier, until it has failed as often as it may."""
        after = tried.before.failed(problem)
        self._log.warning("a job failed", job=tried.job.id, failures=after.failures, error=problem)
        await self._note(tried, after)
        if after.exhausted:
            await self._bury(tried.job, tried.received, problem)
        else:
            await self._let_go(tried, TRY_AGAIN_SECONDS)
            self._count(contract.JOB_RETRIED)

    async def _give_back(self, tried: Try, problem: str, seconds: int) -> None:
        """This was no try: it counts for nothing."""
        if tried.begun:
            await self._note(tried, tried.before.given_back(problem))
        await self._let_go(tried, seconds)
        self._count(contract.JOB_GIVEN_BACK)

    def _count(self, outcome: str) -> None:
        self._status.jobs[outcome] += 1

    async def _bury(self, job: Job | None, received: Received, reason: str) -> None:
        self._log.error("a dead letter", job=job.id if job else None, receives=received.receives, reason=reason)
        try:
            await asyncio.to_thread(self._queue.bury, received, reason)
            self._count(contract.JOB_DEAD)
        except AWS_ERRORS as error:
            self._log.warning("a job cannot be sent to the dead letters", error=str(error))
            await self.hold(received, TRY_AGAIN_SECONDS)

    async def _result(self, job: Job, received: Received) -> dict[str, Any]:
        """Completed, failed for a reason that no other try would change, or too late.

        Raises:
            EngineError, HandedOverError, NodeBusyError: another try may succeed.
        """
        members = {"id": job.id, "node": self._status.instance_id, "attempt": received.receives}
        if job.deadline_seconds is not None and self._clock() > received.sent_at + job.deadline_seconds:
            return members | {"status": contract.JOB_EXPIRED, "response": None, "error": None}
        try:
            response = await self._answer(job)
        except (RequestError, EngineError) as error:
            if isinstance(error, EngineError) and error.status >= 500:
                raise
            failed = json.loads(chat_wire.error(str(error), status=error.status, param=error.param, code=error.code))
            return members | {"status": contract.JOB_FAILED, "response": None, **failed}
        return members | {"status": contract.JOB_COMPLETED, "response": response, "error": None}

    async def _answer(self, job: Job) -> dict[str, Any]:
        chat = parse_request({"model": job.model, **job.body}, supports=self._engine.supports)
        if chat.model != self._status.model or job.model != self._status.model:
            raise RequestError(f"this queue is for model {self._status.model}", param="model", code="model_not_found")
        async with self._status.admission.slot():
            try:
                async with aclosing(answer.choices(self._engine, chat.generation, chat.choices)) as pieces:
                    complete = await answer.wholes(pieces, chat.choices)
            except EngineError as error:
                if error.status >= 500:
                    self._status.count_answer(failed=True)
                raise
        self._status.count_answer(failed=False)
        body = chat_wire.completion(f"chatcmpl-{secrets.token_hex(12)}", int(self._clock()), chat.model, complete)
        document: dict[str, Any] = json.loads(body)
        document.pop(contract.CHUNK_EXTENSION)
        return document

    async def _note(self, tried: Try, attempts: Attempts) -> None:
        about = {"attempt": tried.received.receives, "node": self._status.instance_id, "at": round(self._clock(), 3)}
        with suppress(*AWS_ERRORS):
            await asyncio.to_thread(self._queue.note_attempt, tried.job.id, attempts.to_document() | about)

    async def _prolong(self, tried: Try) -> None:
        while True:
            await asyncio.sleep(PROLONG_SECONDS)
            async with tried.holding:
                if not tried.over:
                    await self.hold(tried.received, HOLD_SECONDS)

    async def _let_go(self, tried: Try, seconds: int) -> None:
        """For another node to take, after so many seconds."""
        tried.over = True
        async with tried.holding:
            await self.hold(tried.received, seconds)

    async def hold(self, received: Received, seconds: int) -> None:
        """Keep it from other nodes for so long; 0 gives it back at once."""
        try:
            await asyncio.to_thread(self._queue.hold, received, seconds)
        except AWS_ERRORS as error:  # then it comes back by itself, after HOLD_SECONDS
            self._log.warning("a job's visibility cannot be changed", error=str(error))
