"""A node that ends while it gives its jobs back ends the giving back first."""

import asyncio
import threading
from typing import Any

from inference_service import contract
from localcloud.aws.in_process import LocalAws
from tests.aws import test_node_jobs
from tests.aws.test_node_jobs import Node, read, send, until

aws, queues, quick = test_node_jobs.aws, test_node_jobs.queues, test_node_jobs.quick


class SlowS3:
    """S3 whose next writes wait until `go` is set."""

    def __init__(self, client: Any) -> None:
        self._client, self.go, self.waiting = client, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **arguments: Any) -> Any:
        self.waiting.set()
        assert self.go.wait(20)
        return self._client.put_object(**arguments)


async def test_a_node_that_stops_while_it_gives_a_job_back_gives_it_back_all_the_same(
    aws: LocalAws, queues: tuple[str, str]
):
    """The worker stops as soon as no answer is left, which is before AWS has been told of the job."""
    send(aws, queues[0], "halfway", "w " * 400)
    node = Node(aws, queues[0], token_seconds=0.05, slots=2)  # one for jobs: no long poll is under way
    node.s3.client = slow = SlowS3(node.s3.client)
    slow.go.set()
    task = asyncio.create_task(node.worker.run())
    await until(lambda: node.engine.running == 1)
    slow.go.clear()
    slow.waiting.clear()
    node.status.state = contract.STATE_DRAINING
    await until(slow.waiting.is_set)
    task.cancel()
    for _ in range(20):  # the cancellation has gone wherever it goes
        await asyncio.sleep(0)
    assert not task.done()
    slow.go.set()
    await asyncio.gather(task, return_exceptions=True)
    attempt = read(aws, contract.job_attempt_key("halfway"))
    assert attempt is not None
    assert (node.status.jobs, attempt["failures"]) == ({"given_back": 1}, 0)
    visible = aws.client("sqs").receive_message(QueueUrl=queues[0]).get("Messages", [])
    assert len(visible) == 1
