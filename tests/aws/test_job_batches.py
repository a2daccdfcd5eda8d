"""A file of requests becomes jobs, once however often it is submitted; real SQS and S3 calls, real nodes' workers."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from inference_service import contract
from localcloud.aws.in_process import LocalAws, local_aws
from scripts import job_batches
from scripts.exit_codes import USAGE, CommandError
from scripts.job_batches import Batches, Following, State
from tests.aws.test_node_jobs import BUCKET, MODEL, Node, count


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.67") as made:
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made


@pytest.fixture
def batches(aws: LocalAws) -> Batches:
    url = aws.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    return Batches(aws.client("sqs"), aws.client("s3"), url, BUCKET)


def line(text: str, **more: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": text}], **more})


def silent(_: str) -> None:
    pass


def test_a_file_is_sent_once_and_its_results_come_in_its_order(aws: LocalAws, batches: Batches):
    lines = [line(f"word{number}") for number in range(25)]
    batch, jobs = job_batches.read(lines, MODEL, None, "f")
    assert batches.submit(batch, jobs, silent) == 25
    assert batches.state(batch).completed == 0

    async def work() -> None:
        async with Node(aws, batches.queue_url).running():
            async with asyncio.timeout(30):
                while not (await asyncio.to_thread(batches.state, batch)).done:  # noqa: ASYNC110 - S3 tells no events
                    await asyncio.sleep(0.1)

    asyncio.run(work())
    texts = [each["response"]["choices"][0]["message"]["content"] for each in batches.results(batch)]
    assert texts == [f"word{number}" for number in range(25)]
    assert batches.submit(batch, jobs, silent) == 0
    assert count(aws, batches.queue_url) == 0


def test_the_same_file_is_the_same_batch_and_another_model_is_another(batches: Batches):
    lines = [line("a"), line("b")]
    assert job_batches.read(lines, "m", None, "f")[0] == job_batches.read([*lines, ""], "m", 5, "f")[0]
    assert job_batches.read(lines, "m", None, "f")[0] != job_batches.read(lines, "n", None, "f")[0]


def test_what_has_not_been_done_yet_is_shown_with_its_last_try(batches: Batches):
    batch, jobs = job_batches.read([line("a")], MODEL, None, "f")
    batches.submit(batch, jobs, silent)
    key = contract.job_attempt_key(jobs[0].id)
    batches.s3.put_object(Bucket=BUCKET, Key=key, Body=b'{"problem": "the engine failed"}')
    (found,) = batches.results(batch)
    assert (found["status"], found["last_try"]["problem"]) == ("pending", "the engine failed")
    assert (batches.state(batch).tried, batches.state(batch).done) == (1, False)


def test_each_result_is_read_once_however_often_a_batch_is_looked_at(batches: Batches, monkeypatch: pytest.MonkeyPatch):
    batch, jobs = job_batches.read([line("a"), line("b"), line("c")], MODEL, None, "f")
    batches.submit(batch, jobs, silent)
    read: list[str] = []
    monkeypatch.setattr(Batches, "result", lambda _, job: read.append(job) or {"status": "completed"})
    following = Following(batches, batch, 3)
    for job in jobs:
        batches.s3.put_object(Bucket=BUCKET, Key=contract.job_result_key(job.id), Body=b"{}")
        following.look()
    assert following.look() == State(total=3, completed=3, failed=0, tried=0)
    assert read == [job.id for job in jobs]


def test_all_wrong_lines_are_named_at_once():
    lines = ["{", "[]", line("x", model="other"), json.dumps({"messages": "x"}), line("w" * 300_000), line("fine")]
    with pytest.raises(CommandError) as refused:
        job_batches.read(lines, MODEL, None, "jobs.jsonl")
    assert refused.value.exit_code == USAGE
    for number in range(1, 6):
        assert f"jobs.jsonl, line {number}: " in str(refused.value)
    assert "line 6" not in str(refused.value)


def test_an_unknown_batch_is_refused(batches: Batches):
    with pytest.raises(CommandError, match="no batch nothing in bucket"):
        batches.state("nothing")


@pytest.mark.parametrize(("sizes", "parts"), [([10] * 25, [10, 10, 5]), ([200_000] * 3, [1, 1, 1]), ([], [])])
def test_parts_fit_sqs(sizes: list[int], parts: list[int]):
    assert [len(part) for part in job_batches.packed(["x" * size for size in sizes])] == parts
