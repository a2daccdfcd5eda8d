"""Batches of jobs: a file of requests into the queue, and their results out of the bucket."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from inference_service import contract
from inference_service.artifacts.store import error_code
from inference_service.jobs import Job
from scripts.exit_codes import USAGE, CommandError

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html: 1 MiB a message and a
# batch; older regions' limit is a quarter of that.
MOST_MESSAGE_BYTES = 256 * 1024
MOST_MESSAGES = 10
MOST_PROBLEMS = 10
ABSENT = ("NoSuchKey", "404", "NotFound")


def read(lines: Sequence[str], model: str, deadline_seconds: float | None, source: str) -> tuple[str, list[Job]]:
    """The batch's id and its jobs: the same ones for the same file, so that a second submission does nothing twice.

    Raises:
        CommandError: naming every line that is no request, with what is wrong.
    """
    given = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    problems = [f"{source}, line {number}: {wrong}" for number, line in given if (wrong := _wrong(line, model))]
    if problems or not given:
        listing = "\n".join(problems[:MOST_PROBLEMS]) or f"{source} has no request; one JSON object a line is needed"
        more = f"\nand {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        raise CommandError(listing + more, USAGE)
    batch = hashlib.sha256("\n".join([model, *(line for _, line in given)]).encode()).hexdigest()[:12]
    bodies = [json.loads(line) for _, line in given]
    return batch, [Job(job_id(batch, place), model, body, deadline_seconds) for place, body in enumerate(bodies, 1)]


def _wrong(line: str, model: str) -> str | None:
    try:
        document = json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(document, dict):
        return f"{line.strip()[:40]!r} is no JSON object"
    if document.get("model", model) != model:
        return f"model is {document['model']!r}; all jobs of a file go to {model} (--model)"
    if not isinstance(document.get("messages"), list):
        return "messages is missing: a chat completion's body is needed"
    size = len(line.encode())
    return f"{size} bytes; a job may have {MOST_MESSAGE_BYTES - 1024}" if size > MOST_MESSAGE_BYTES - 1024 else None


def job_id(batch: str, place: int) -> str:
    return f"{batch}-{place}"


@dataclass(frozen=True)
class State:
    """How far a batch is. `tried`: no result yet, and the last try has failed or has not ended."""

    total: int
    completed: int
    failed: int
    tried: int

    @property
    def done(self) -> bool:
        return self.completed + self.failed == self.total


@dataclass(frozen=True)
class Batches:
    """boto3 clients and names; boto3's errors come through."""

    sqs: Any
    s3: Any
    queue_url: str
    bucket: str

    def submit(self, batch: str, jobs: Sequence[Job], say: Callable[[str], None]) -> int:
        """Send what has no result yet; how many that were."""
        self._put(f"{contract.JOBS_PREFIX}{batch}/batch.json", {"total": len(jobs), "model": jobs[0].model})
        present = self.keys(batch)
        missing = [job for job in jobs if contract.job_result_key(job.id) not in present]
        sent = 0
        for part in packed([job.to_message() for job in missing]):
            entries = [{"Id": str(place), "MessageBody": text} for place, text in enumerate(part)]
            answer = self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=entries)
            if refused := answer.get("Failed"):
                raise CommandError(f"SQS refused {len(refused)} of {len(part)} jobs: {refused[0].get('Message')}")
            sent += len(part)
            say(f"{sent} of {len(missing)} sent")
        return len(missing)

    def state(self, batch: str) -> State:
        """Raises CommandError: no such batch."""
        return Following(self, batch, self.total(batch)).look()

    def total(self, batch: str) -> int:
        """How many jobs the batch has. Raises CommandError: there is no such batch."""
        known = self._get(f"{contract.JOBS_PREFIX}{batch}/batch.json")
        if known is None:
            raise CommandError(
                f"no batch {batch} in bucket {self.bucket}; `warmfleet jobs submit` prints the id", USAGE
            )
        return int(known["total"])

    def result(self, job: str) -> Mapping[str, Any] | None:
        return self._get(contract.job_result_key(job))

    def attempt(self, job: str) -> Mapping[str, Any] | None:
        """The last try of a job without a result."""
        return self._get(contract.job_attempt_key(job))

    def results(self, batch: str) -> Iterator[Mapping[str, Any]]:
        """In the file's order; of a job without a result its last try, with status `pending`."""
        for place in range(1, self.total(batch) + 1):
            job = job_id(batch, place)
            pending = {"id": job, "status": "pending", "last_try": self.attempt(job)}
            yield self.result(job) or pending

    def keys(self, batch: str) -> set[str]:
        """Of every object that lies in the bucket about a job of the batch."""
        prefix = f"{contract.JOBS_PREFIX}{batch}-"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {each["Key"] for page in pages for each in page.get("Contents", [])}

    def _put(self, key: str, document: Mapping[str, Any]) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(document).encode())

    def _get(self, key: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = json.load(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"])
        except ClientError as error:
            if error_code(error) in ABSENT:
                return None
            raise
        return found


@dataclass(frozen=True)
class Following:
    """One batch, looked at again and again. A look lists the batch once, and reads the results that are new to it."""

    batches: Batches
    batch: str
    total: int
    statuses: dict[str, str] = field(default_factory=dict)  # of the jobs whose results have been read

    def look(self) -> State:
        keys = self.batches.keys(self.batch)
        jobs = [job_id(self.batch, place) for place in range(1, self.total + 1)]
        for job in jobs:
            new = job not in self.statuses and contract.job_result_key(job) in keys
            if new and (found := self.batches.result(job)):
                self.statuses[job] = found["status"]
        completed = sum(status == contract.JOB_COMPLETED for status in self.statuses.values())
        tried = sum(contract.job_attempt_key(job) in keys for job in jobs if job not in self.statuses)
        return State(self.total, completed, len(self.statuses) - completed, tried)


def packed(messages: Sequence[str]) -> Iterator[list[str]]:
    """Parts that SQS takes in one call: ten messages, a quarter of a MiB."""
    part: list[str] = []
    for message in messages:
        size = sum(len(each.encode()) for each in [*part, message])
        if part and (len(part) == MOST_MESSAGES or size > MOST_MESSAGE_BYTES):
            yield part
            part = []
        part.append(message)
    if part:
        yield part


def wait(batches: Batches, batch: str, seconds: float, say: Callable[[str], None], pause: float = 1.0) -> State:
    """The state once all jobs are done, or after `seconds`."""
    until, following = time.monotonic() + seconds, Following(batches, batch, batches.total(batch))
    while True:
        state = following.look()
        say(f"{state.completed + state.failed} of {state.total} done")
        if state.done or time.monotonic() >= until:
            return state
        time.sleep(pause)
