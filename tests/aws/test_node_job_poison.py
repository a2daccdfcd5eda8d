"""Messages that no node can read, or that surprise it: dead letters with the reason, not rounds until SQS gives up."""

from typing import Any

import pytest
import structlog

from inference_service import contract
from inference_service.node import job_doer
from inference_service.node.job_attempts import MOST_FAILURES
from localcloud.aws.in_process import LocalAws
from tests.aws import test_node_jobs
from tests.aws.test_node_jobs import Node, count, letter, read, send, until

aws, queues, quick = test_node_jobs.aws, test_node_jobs.queues, test_node_jobs.quick

HALF_A_PAIR = "\\ud800"  # as JSON says it: half of a character
QUESTION = '"messages": [{"role": "user", "content": "x"}]'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("[" * 200_000, "no job: it is nested too deeply"),
        (f'{{"id": "deep", "model": "stub", "body": {{"x": {"[" * 99_000}', "no job: it is nested too deeply"),
        (
            f'{{"id": "h", "model": "stub", "body": {{"{HALF_A_PAIR}": 1, {QUESTION}}}}}',
            "no job: it is text with half",
        ),
        (
            f'{{"id": "l", "model": "stub", "body": {{{QUESTION}}}, "deadline_seconds": 1{"0" * 400}}}',
            "no job: deadline",
        ),
    ],
)
async def test_what_breaks_a_reader_of_json_becomes_a_dead_letter_at_once(
    aws: LocalAws, queues: tuple[str, str], message: str, reason: str
):
    aws.client("sqs").send_message(QueueUrl=queues[0], MessageBody=message)
    async with Node(aws, queues[0]).running() as node:
        await until(lambda: count(aws, queues[1]) == 1 and count(aws, queues[0]) == 0)
    assert node.status.jobs == {"dead": 1}
    text, told = letter(aws, queues[1])
    assert text == message
    assert told.startswith(reason)


async def test_what_nobody_thought_of_is_a_failure_with_its_kind_and_place_and_none_of_the_prompt(
    aws: LocalAws, queues: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    def surprised(body: Any, **_: Any) -> None:
        raise KeyError(body["messages"][0]["content"])

    monkeypatch.setattr(job_doer, "parse_request", surprised)
    send(aws, queues[0], "surprising", "a secret")
    with structlog.testing.capture_logs() as logs:
        async with Node(aws, queues[0]).running() as node:
            await until(lambda: count(aws, queues[1]) == 1 and count(aws, queues[0]) == 0)
    assert node.status.jobs == {"retried": MOST_FAILURES - 1, "dead": 1}
    reason = letter(aws, queues[1])[1]
    assert reason.startswith("an unexpected KeyError at test_node_job_poison.py, line ")
    assert reason == (read(aws, contract.job_attempt_key("surprising")) or {})["problem"]
    assert "secret" not in str(logs)
