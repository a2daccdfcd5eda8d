"""Jobs on the local SQS and S3: done once, given back in time, dead after exactly so many tries."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.jobs import Job
from inference_service.node import job_worker
from inference_service.node.admission import Admission
from inference_service.node.engines.stub import FAILING_WORD, StubEngine
from inference_service.node.job_queue import JobQueue
from inference_service.node.job_worker import JobWorker, room
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from localcloud.aws.in_process import LocalAws, local_aws

MODEL, BUCKET = "stub", "jobs-bucket"
RECEIVES = 3


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.66") as made:
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made


@pytest.fixture
def queues(aws: LocalAws, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A queue and its dead letters."""
    sqs, name = aws.client("sqs"), f"q{abs(hash(request.node.nodeid))}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "60"})["QueueUrl"]
    return url, dead


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses, the same order of events."""
    monkeypatch.setattr(job_worker, "WAIT_SECONDS", 1)
    monkeypatch.setattr(job_worker, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(job_worker, "TRY_AGAIN_SECONDS", 0)
    monkeypatch.setattr(job_worker, "PROLONG_SECONDS", 0.1)


class Node:
    """A ready node with the stub engine."""

    def __init__(self, aws: LocalAws, url: str, *, token_seconds: float = 0.0, slots: int = 4, **guards: bool) -> None:
        self.status = NodeStatus(MODEL, "stub", Admission(slots, 4), instance_id=f"i-{id(self)}")
        self.status.state, self.status.loaded = contract.STATE_READY, VersionRef("v1", "0" * 64)
        self.engine = StubEngine(StubSettings(token_seconds=token_seconds), can_load=Path.exists)
        deduplication = guards.pop("deduplication", True)
        self.queue = JobQueue(aws.client("sqs"), aws.client("s3"), url, BUCKET, deduplication=deduplication)
        self.worker = JobWorker(self.status, self.engine, self.queue, time.time, **guards)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Node"]:
        task = asyncio.create_task(self.worker.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def send(aws: LocalAws, url: str, job_id: str, text: str, **more: Any) -> None:
    body = {"messages": [{"role": "user", "content": text}], **more.pop("body", {})}
    message = Job(job_id, more.pop("model", MODEL), body, more.pop("deadline_seconds", None)).to_message()
    aws.client("sqs").send_message(QueueUrl=url, MessageBody=message)


def result(aws: LocalAws, job_id: str) -> dict[str, Any] | None:
    return read(aws, contract.job_result_key(job_id))


def read(aws: LocalAws, key: str) -> dict[str, Any] | None:
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.NoSuchKey):
        found: dict[str, Any] = json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"])
        return found
    return None


def count(aws: LocalAws, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the product has no event for it
            await asyncio.sleep(0.02)


async def test_a_job_is_answered_and_its_message_is_gone(aws: LocalAws, queues: tuple[str, str]):
    send(aws, queues[0], "plain", "one two")
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: result(aws, "plain") and count(aws, queues[0]) == 0)
    done = result(aws, "plain")
    assert done is not None
    assert (done["status"], done["node"], done["attempt"]) == ("completed", node.status.instance_id, 1)
    assert done["response"]["choices"][0]["message"]["content"] == "one two"
    assert "warmfleet" not in done["response"]


@pytest.mark.parametrize(
    ("job", "status", "code"),
    [
        ({"body": {"logprobs": True}}, "failed", "unsupported_parameter"),
        ({"model": "another"}, "failed", "model_not_found"),
        ({"deadline_seconds": 1e-6}, "expired", None),
    ],
)
async def test_what_no_other_try_would_change_is_a_result(
    aws: LocalAws, queues: tuple[str, str], job: dict[str, Any], status: str, code: str | None
):
    job_id = f"final-{status}-{code}"
    send(aws, queues[0], job_id, "x", **job)
    async with Node(aws, queues[0]).running():
        await until(lambda: result(aws, job_id) and count(aws, queues[0]) == 0)
    done = result(aws, job_id)
    assert done is not None
    assert done["status"] == status
    assert (done["error"] or {}).get("code") == code


async def test_of_two_messages_of_one_job_one_has_an_effect(aws: LocalAws, queues: tuple[str, str]):
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(4):
        send(aws, queues[0], "twice", "w " * 20)
    async with Node(aws, queues[0], token_seconds=0.01).running(), Node(aws, queues[0], token_seconds=0.01).running():
        await until(lambda: count(aws, queues[0]) == 0)
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=contract.job_result_key("twice"))
    assert len(listed["Versions"]) == 1


async def test_without_deduplication_the_second_effect_is_seen(aws: LocalAws, queues: tuple[str, str]):
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(3):
        send(aws, queues[0], "guardless", "w " * 20)
    async with Node(aws, queues[0], token_seconds=0.01, deduplication=False).running():
        await until(lambda: count(aws, queues[0]) == 0)
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=contract.job_result_key("guardless"))
    assert len(listed["Versions"]) > 1


@pytest.mark.parametrize("acknowledge_first", [False, True])
async def test_a_job_that_is_acknowledged_before_its_result_is_lost_with_its_node(
    aws: LocalAws, queues: tuple[str, str], acknowledge_first: bool
):
    send(aws, queues[0], f"acknowledged-{acknowledge_first}", "w " * 500)
    slow = Node(aws, queues[0], token_seconds=0.05, acknowledge_first=acknowledge_first)
    async with slow.running():
        await until(lambda: slow.engine.running == 1)
        slow.status.state = contract.STATE_DRAINING
        await until(lambda: slow.engine.running == 0)
    assert count(aws, queues[0]) == (0 if acknowledge_first else 1)


async def test_a_node_that_drains_gives_its_jobs_back_at_once_and_another_does_them(
    aws: LocalAws, queues: tuple[str, str]
):
    send(aws, queues[0], "moved", "w " * 400)
    slow, quick_one = Node(aws, queues[0], token_seconds=0.05), Node(aws, queues[0])
    async with slow.running():
        await until(lambda: slow.engine.running == 1)
        slow.status.state = contract.STATE_DRAINING
        await until(lambda: slow.engine.running == 0)
        async with quick_one.running():
            await until(lambda: result(aws, "moved"), seconds=10)  # far less than the visibility timeout
    done = result(aws, "moved")
    assert done is not None
    assert (done["node"], done["attempt"]) == (quick_one.status.instance_id, 2)


async def test_a_job_that_fails_every_time_is_dead_after_exactly_so_many_tries_with_the_reason(
    aws: LocalAws, queues: tuple[str, str]
):
    send(aws, queues[0], "poison", f"one {FAILING_WORD}")
    send(aws, queues[0], "fine", "one")
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: count(aws, queues[1]) == 1)
        await until(lambda: result(aws, "fine"))
    assert node.status.failed == RECEIVES
    assert result(aws, "poison") is None
    attempt = read(aws, contract.job_attempt_key("poison"))
    assert attempt is not None
    assert (attempt["attempt"], attempt["node"]) == (RECEIVES, node.status.instance_id)
    assert "ends in a failure" in attempt["problem"]


async def test_what_is_no_job_becomes_a_dead_letter_too(aws: LocalAws, queues: tuple[str, str]):
    aws.client("sqs").send_message(QueueUrl=queues[0], MessageBody='{"id": "../x"}')
    async with Node(aws, queues[0]).running():
        await until(lambda: count(aws, queues[1]) == 1)


async def test_a_job_under_way_is_kept_from_other_nodes(aws: LocalAws, queues: tuple[str, str]):
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=queues[0], Attributes={"VisibilityTimeout": "1"})
    send(aws, queues[0], "long", "w " * 60)
    first, second = Node(aws, queues[0], token_seconds=0.05), Node(aws, queues[0], token_seconds=0.05)
    async with first.running(), second.running():
        await until(lambda: result(aws, "long"))
    assert first.engine.decoded_tokens + second.engine.decoded_tokens == 60


async def test_while_sqs_fails_the_node_waits_and_then_goes_on(aws: LocalAws, queues: tuple[str, str]):
    from localcloud.aws.faults import Fault

    aws.cloud.faults.set({"sqs": Fault(status=503)})
    node = Node(aws, queues[0])
    async with node.running():
        await asyncio.to_thread(time.sleep, 0.5)
        assert node.status.ready
        aws.cloud.faults.set({})
        send(aws, queues[0], "after", "one")
        await until(lambda: result(aws, "after"))


@pytest.mark.parametrize(
    ("slots", "in_flight", "jobs", "ready", "free"),
    [
        (4, 0, 0, True, 3),
        (4, 3, 0, True, 0),
        (4, 2, 2, True, 1),
        (1, 0, 0, True, 1),
        (1, 1, 0, True, 0),
        (4, 0, 0, False, 0),
    ],
)
def test_jobs_take_what_is_left_over_and_leave_a_slot(slots: int, in_flight: int, jobs: int, ready: bool, free: int):
    status = NodeStatus(MODEL, "stub", Admission(slots, 4))
    status.state = contract.STATE_READY if ready else contract.STATE_DRAINING
    status.admission._tasks.update(range(in_flight))  # type: ignore[arg-type]
    assert room(status, jobs) == free
