"""A node that no restart mends asks Auto Scaling for another in its place, unless too many just did.

When many nodes fail a check within minutes, the check or what all of them share is the likelier culprit; replacing the
fleet would only make it cold. So at most a tenth of a group's nodes, and at least one, is replaced in ten minutes. The
count is an object in the bucket, written only if nobody else has written it since.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from inference_service import contract
from inference_service.artifacts.store import error_code
from inference_service.node.metadata import Identity

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_s3 import S3Client

WINDOW = timedelta(minutes=10)
MOST_SHARE = 0.1
ATTEMPTS = 5
WRITTEN_BY_ANOTHER = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class Replaced:
    """One replacement asked for."""

    instance_id: str
    at: datetime


def refusal(recent: Sequence[Replaced], in_service: int, now: datetime) -> str | None:
    """Why one more may not be replaced now; None where it may."""
    count = sum(now - each.at < WINDOW for each in recent)
    most = max(1, int(in_service * MOST_SHARE))
    if count < most:
        return None
    return (
        f"{count} of {in_service} nodes were replaced for health within {WINDOW.total_seconds() / 60:.0f} minutes, the "
        f"limit is {most}: it stays and tries again; look for what they share (warmfleet logs)"
    )


@dataclass(frozen=True)
class Replacement:
    """Asks for one instance of a group to be replaced. All of it blocks: call it in a thread."""

    s3: "S3Client"
    autoscaling: "AutoScalingClient"
    bucket: str
    identity: Identity
    now: Callable[[], datetime]

    def ask(self) -> str | None:
        """Mark this instance unhealthy; returns why not, or None when it is done.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: AWS does not answer, or refuses.
        """
        for _ in range(ATTEMPTS):
            recent, etag = self._read()
            if not any(each.instance_id == self.identity.instance_id for each in recent):
                if reason := refusal(recent, self._in_service(), self.now()):
                    return reason
                if not self._write([*recent, Replaced(self.identity.instance_id, self.now())], etag):
                    continue
            self.autoscaling.set_instance_health(
                InstanceId=self.identity.instance_id, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
            )
            return None
        return "other nodes are being replaced at this moment"

    def _in_service(self) -> int:
        answer = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.identity.group or ""])
        instances = [each for group in answer["AutoScalingGroups"] for each in group.get("Instances", [])]
        return sum(each["LifecycleState"] == "InService" for each in instances)

    def _read(self) -> tuple[list[Replaced], str | None]:
        """What was replaced within the window, and the object's ETag; None where there is no object yet."""
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=contract.replacements_key(self.identity.group or ""))
        except ClientError as error:
            if error_code(error) == "NoSuchKey":
                return [], None
            raise
        entries = json.loads(answer["Body"].read())
        all_of_them = [Replaced(each["instance_id"], datetime.fromisoformat(each["at"])) for each in entries]
        return [each for each in all_of_them if self.now() - each.at < WINDOW], answer["ETag"]

    def _write(self, replaced: Sequence[Replaced], etag: str | None) -> bool:
        """Whether it was written; False when another node has written in between."""
        body = json.dumps([{"instance_id": each.instance_id, "at": each.at.isoformat()} for each in replaced]).encode()
        key = contract.replacements_key(self.identity.group or "")
        try:
            if etag is None:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
            else:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfMatch=etag)
        except ClientError as error:
            if error_code(error) in WRITTEN_BY_ANOTHER:
                return False
            raise
        return True
