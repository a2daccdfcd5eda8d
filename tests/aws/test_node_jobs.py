"""Jobs on the local SQS and S3: done once, given back in time, dead after exactly so many tries."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.jobs import Job
from inference_service.node import job_doer, job_worker
from inference_service.node.admission import Admission
from inference_service.node.engines.stub import FAILING_WORD, StubEngine
from inference_service.node.job_attempts import MOST_FAILURES, Attempts, attempts_of
from inference_service.node.job_doer import JobDoer
from inference_service.node.job_queue import JobQueue
from inference_service.node.job_worker import JobWorker, room
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from localcloud.aws.faults import Fault
from localcloud.aws.in_process import LocalAws, local_aws

MODEL, BUCKET = "stub", "jobs-bucket"
MOST_RECEIVES = 25


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
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "60"})["QueueUrl"]
    return url, dead


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses, the same order of events."""
    monkeypatch.setattr(job_worker, "WAIT_SECONDS", 1)
    monkeypatch.setattr(job_worker, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(job_doer, "TRY_AGAIN_SECONDS", 0)
    monkeypatch.setattr(job_doer, "PROLONG_SECONDS", 0.1)


class Wire:
    """A client of AWS that can be cut through; and the handle of the message that came last."""

    def __init__(self, client: Any) -> None:
        self.client, self.cut, self.handle = client, False, ""

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            if self.cut:
                raise EndpointConnectionError(endpoint_url="a dead node's")
            answer = getattr(self.client, name)(**arguments)
            for message in answer.get("Messages", []):
                self.handle = message["ReceiptHandle"]
            return answer

        return call


class Node:
    """A ready node with the stub engine."""

    def __init__(self, aws: LocalAws, url: str, *, token_seconds: float = 0.0, slots: int = 4, **guards: bool) -> None:
        self.status = NodeStatus(MODEL, "stub", Admission(slots, 4), instance_id=f"i-{id(self)}")
        self.status.state, self.status.loaded = contract.STATE_READY, VersionRef("v1", "0" * 64)
        self.engine = StubEngine(StubSettings(token_seconds=token_seconds), can_load=Path.exists)
        deduplication = guards.pop("deduplication", True)
        self.sqs, self.s3 = Wire(aws.client("sqs")), Wire(aws.client("s3"))
        self.queue = JobQueue(self.sqs, self.s3, url, f"{url}-dead", BUCKET, deduplication=deduplication)
        doer = JobDoer(self.status, self.engine, self.queue, time.time, **guards)
        self.worker = JobWorker(self.status, self.queue, doer)

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
        ({"body": {"verbosity": "high"}}, "failed", "unsupported_parameter"),
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
        await until(lambda: count(aws, queues[1]) == 1 and count(aws, queues[0]) == 0)
        await until(lambda: result(aws, "fine"))
    assert node.status.failed == MOST_FAILURES
    assert node.status.jobs == {"retried": MOST_FAILURES - 1, "dead": 1, "completed": 1}
    assert result(aws, "poison") is None
    attempt = read(aws, contract.job_attempt_key("poison"))
    assert attempt is not None
    assert (attempt["attempt"], attempt["node"]) == (MOST_FAILURES, node.status.instance_id)
    assert "ends in a failure" in attempt["problem"]
    text, reason = letter(aws, queues[1])
    assert json.loads(text)["id"] == "poison"
    assert reason == attempt["problem"]


def letter(aws: LocalAws, url: str) -> tuple[str, str]:
    """A dead letter and its reason."""
    (found,) = aws.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    return found["Body"], found["MessageAttributes"]["reason"]["StringValue"]


async def test_a_job_that_nodes_give_back_does_not_come_nearer_to_the_dead_letters(
    aws: LocalAws, queues: tuple[str, str]
):
    """Given back once more often than it may fail: it is done all the same, and fails no less often after that."""
    send(aws, queues[0], "unlucky", "w " * 400)
    for _ in range(MOST_FAILURES + 1):
        node = Node(aws, queues[0], token_seconds=0.05)
        async with node.running():
            await until(lambda node=node: node.engine.running == 1)  # type: ignore[misc]
            node.status.state = contract.STATE_DRAINING
            await until(lambda node=node: node.engine.running == 0)  # type: ignore[misc]
        assert node.status.jobs == {"given_back": 1}
    attempt = read(aws, contract.job_attempt_key("unlucky"))
    assert attempt is not None
    assert (attempt["attempt"], attempt["failures"]) == (MOST_FAILURES + 1, 0)
    async with Node(aws, queues[0]).running():
        await until(lambda: result(aws, "unlucky"))
    assert count(aws, queues[1]) == 0


async def test_a_job_over_which_so_many_nodes_were_lost_is_not_tried_again(aws: LocalAws, queues: tuple[str, str]):
    """A node that is killed says nothing; that the try has begun stands in the bucket before."""
    send(aws, queues[0], "killer", "w " * 400)
    for _ in range(MOST_FAILURES):
        await lost_over_it(Node(aws, queues[0], token_seconds=0.05))
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: count(aws, queues[1]) == 1 and count(aws, queues[0]) == 0)
    assert node.engine.decoded_tokens == 0
    assert "the node was lost" in letter(aws, queues[1])[1]


async def lost_over_it(node: Node) -> None:
    """The node ends in the middle of the job without another word to AWS; SQS gives the job out again."""
    task = asyncio.create_task(node.worker.run())
    await until(lambda: node.engine.running == 1)
    node.sqs.cut = node.s3.cut = True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    back = {"QueueUrl": node.queue.url, "ReceiptHandle": node.sqs.handle, "VisibilityTimeout": 0}
    await asyncio.to_thread(node.sqs.client.change_message_visibility, **back)


def test_a_job_submitted_again_begins_anew():
    worn = Attempts("first", MOST_FAILURES - 1).failed("the engine failed")
    assert attempts_of(worn.to_document(), "first") == worn
    assert worn.exhausted
    assert attempts_of(worn.to_document(), "second") == Attempts("second")


async def test_what_is_no_job_becomes_a_dead_letter_at_once(aws: LocalAws, queues: tuple[str, str]):
    aws.client("sqs").send_message(QueueUrl=queues[0], MessageBody='{"id": "../x"}')
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: count(aws, queues[1]) == 1)
    assert node.status.jobs == {"dead": 1}
    assert letter(aws, queues[1])[1].startswith("no job: id must be")


async def test_while_s3_fails_no_job_has_failed(aws: LocalAws, queues: tuple[str, str]):
    send(aws, queues[0], "outage", "one")
    aws.cloud.faults.set({"s3": Fault(status=503)})
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: node.status.jobs["given_back"] > MOST_FAILURES)
        aws.cloud.faults.set({})
        await until(lambda: result(aws, "outage"))
    assert node.status.jobs["dead"] == 0


async def test_a_job_under_way_is_kept_from_other_nodes(aws: LocalAws, queues: tuple[str, str]):
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=queues[0], Attributes={"VisibilityTimeout": "1"})
    send(aws, queues[0], "long", "w " * 60)
    first, second = Node(aws, queues[0], token_seconds=0.05), Node(aws, queues[0], token_seconds=0.05)
    async with first.running(), second.running():
        await until(lambda: result(aws, "long"))
    assert first.engine.decoded_tokens + second.engine.decoded_tokens == 60


async def test_while_sqs_fails_the_node_waits_and_then_goes_on(aws: LocalAws, queues: tuple[str, str]):
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
