"""The jobs of one model: a queue, and beside it one for jobs that cannot be done."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.policy_document import tls_only, to_json

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
VISIBILITY_SECONDS = 60  # a node that works prolongs it; one that is gone gives the job back after so long
# A node buries a job itself once it has failed as often as it may (inference_service/node/job_attempts.py): SQS would
# also count receives by nodes that had to leave. This is for jobs of which no node lives to say so, nor S3 to be told.
MOST_RECEIVES = 25
RETENTION_SECONDS = 4 * 24 * 3600
DEAD_RETENTION_SECONDS = 14 * 24 * 3600  # the longest: people look at these
LONG_POLL_SECONDS = 20


@dataclass(frozen=True)
class WorkQueueArgs:
    """`key_arn` is the customer managed key; None leaves the encryption to SQS."""

    key_arn: pulumi.Output[str] | None


class WorkQueue(pulumi.ComponentResource):
    """Beside the queue one for what cannot be done: nodes send it there, or SQS after MOST_RECEIVES."""

    queue: aws.sqs.Queue
    dead_letters: aws.sqs.Queue

    def __init__(self, name: str, args: WorkQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:work_queue:WorkQueue", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._key_arn = args.key_arn
        self.dead_letters = self._queue(f"{name}-dead", DEAD_RETENTION_SECONDS)
        self.queue = self._queue(name, RETENTION_SECONDS, self.dead_letters.arn.apply(redrive_to))
        aws.sqs.RedriveAllowPolicy(
            f"{name}-dead",
            queue_url=self.dead_letters.url,
            redrive_allow_policy=self.queue.arn.apply(only_from),
            opts=self._child,
        )
        for label, queue in ((name, self.queue), (f"{name}-dead", self.dead_letters)):
            aws.sqs.QueuePolicy(label, queue_url=queue.url, policy=queue.arn.apply(encrypted_calls), opts=self._child)
        self.register_outputs({"url": self.queue.url, "deadLettersUrl": self.dead_letters.url})

    def _queue(self, name: str, retention_seconds: int, redrive: pulumi.Output[str] | None = None) -> aws.sqs.Queue:
        return aws.sqs.Queue(
            name,
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            message_retention_seconds=retention_seconds,
            receive_wait_time_seconds=LONG_POLL_SECONDS,
            redrive_policy=redrive,
            # One kind of encryption or the other: SQS refuses both.
            kms_master_key_id=self._key_arn,
            sqs_managed_sse_enabled=None if self._key_arn else True,
            opts=self._child,
        )


def redrive_to(arn: str) -> str:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"""
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})


def only_from(arn: str) -> str:
    """No other queue may send its dead letters here."""
    return json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn]})


def encrypted_calls(arn: str) -> str:
    """Whoever may call by IAM has to do so through TLS."""
    return to_json(tls_only(["sqs:*"], [arn]))
