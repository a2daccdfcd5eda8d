"""Queues whose attributes are told back, and change only when they are set."""

from typing import Any, ClassVar

from moto.sqs.models import Queue, SQSBackend

# mypy: disallow-subclassing-any=False


class LocalQueue(Queue):
    """moto forgets which queues may send their dead letters here, and the policy whenever anything else is set.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """

    BASE_ATTRIBUTES: ClassVar = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]
    redrive_allow_policy: str | None = None

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        super()._set_attributes({"Policy": self.policy, **attributes}, now)
        self.settle_encryption()

    def settle_encryption(self) -> None:
        """A queue has one kind of encryption: with a KMS key it is not SQS's own, which moto goes on to tell."""
        if self.kms_master_key_id:
            self.sqs_managed_sse_enabled = "false"


class LocalSQSBackend(SQSBackend):
    """SQS of one region."""

    def create_queue(self, *args: Any, **options: Any) -> Any:
        queue = super().create_queue(*args, **options)
        queue.__class__ = LocalQueue
        queue.settle_encryption()
        return queue
