"""The jobs of this node's model: SQS for who does them, S3 for what came of them. Every call blocks.

Effect exactly once: a result is written only where none is, then the message is deleted. A node that dies between the
two leaves a message that the next one deletes. A job that failed as often as it may is sent to the dead letters, then
deleted: it may lie there twice, it cannot get lost. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from inference_service import contract
from inference_service.artifacts.store import error_code

MOST_MESSAGES = 10  # SQS, ReceiveMessage
LONGEST_REASON = 200  # it counts toward the message's size; jobs/<id>/attempt.json has the whole
LOST = ("PreconditionFailed", "ConditionalRequestConflict")
ABSENT = ("NoSuchKey", "404", "NotFound")


@dataclass(frozen=True)
class Received:
    """A message that is this node's for a while. `receives`: how often it was given out, this time included."""

    handle: str
    message_id: str
    text: str
    receives: int
    sent_at: float  # seconds since the epoch, by SQS's clock


@dataclass(frozen=True)
class JobQueue:
    """boto3 clients; every method raises ClientError or BotoCoreError when AWS refuses or is silent."""

    sqs: Any
    s3: Any
    url: str
    dead_letters_url: str
    bucket: str
    deduplication: bool = True  # a guard: off, a job is done again although it has a result, which is written over

    def receive(self, most: int, wait_seconds: int) -> list[Received]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=min(most, MOST_MESSAGES),
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        return [_received(each) for each in answer.get("Messages", [])]

    def hold(self, received: Received, seconds: int) -> None:
        """Keep it from other nodes for so long from now; 0 gives it back at once."""
        self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=received.handle, VisibilityTimeout=seconds)

    def delete(self, received: Received) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=received.handle)

    def bury(self, received: Received, reason: str) -> None:
        """Among the dead letters, with the reason, where people look for it."""
        told = "".join(each if each.isprintable() else " " for each in reason[:LONGEST_REASON])
        why = {"reason": {"DataType": "String", "StringValue": told or "unknown"}}
        self.sqs.send_message(QueueUrl=self.dead_letters_url, MessageBody=received.text, MessageAttributes=why)
        self.delete(received)

    def has_result(self, job_id: str) -> bool:
        if not self.deduplication:
            return False
        try:
            self.s3.head_object(Bucket=self.bucket, Key=contract.job_result_key(job_id))
        except ClientError as error:
            if error_code(error) in ABSENT:
                return False
            raise
        return True

    def write_result(self, job_id: str, document: Mapping[str, Any]) -> bool:
        """Whether it is the result; False: another node was first, and its result stands."""
        only_new = {"IfNoneMatch": "*"} if self.deduplication else {}
        try:
            self.s3.put_object(
                Bucket=self.bucket, Key=contract.job_result_key(job_id), Body=json.dumps(document).encode(), **only_new
            )
        except ClientError as error:
            if error_code(error) in LOST:
                return False
            raise
        return True

    def last_attempt(self, job_id: str) -> Mapping[str, Any] | None:
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=contract.job_attempt_key(job_id))
        except ClientError as error:
            if error_code(error) in ABSENT:
                return None
            raise
        document: Mapping[str, Any] = json.loads(found["Body"].read())
        return document

    def note_attempt(self, job_id: str, document: Mapping[str, Any]) -> None:
        """The last try of a job, for whoever finds it among the dead letters."""
        self.s3.put_object(Bucket=self.bucket, Key=contract.job_attempt_key(job_id), Body=json.dumps(document).encode())


def _received(message: Mapping[str, Any]) -> Received:
    attributes = message["Attributes"]
    receives, sent = int(attributes["ApproximateReceiveCount"]), int(attributes["SentTimestamp"]) / 1000
    return Received(message["ReceiptHandle"], message["MessageId"], message["Body"], receives, sent)
