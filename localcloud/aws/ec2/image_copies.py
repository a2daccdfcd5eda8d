"""Images of instances: pending until their disk has been copied by whoever has it, which is the daemon's hosts.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-lifecycle.html
"""

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends

from localcloud.aws import event_log
from localcloud.aws.cloud import ACCOUNT, current

# mypy: disallow-subclassing-any=False

PENDING, AVAILABLE, FAILED = "pending", "available", "failed"
SNAPSHOT = "snapshot"


class RunningInstanceError(EC2ClientError):
    """On AWS CreateImage reboots it; here nobody needs that."""

    def __init__(self, instance_id: str, state: str) -> None:
        text = (
            f"Instance {instance_id} is {state}; the local EC2 makes images of stopped instances alone: stop it first"
        )
        super().__init__("IncorrectInstanceState", text)


def refuse_running(instance: Any) -> None:
    """Raises RunningInstanceError."""
    if instance.state != "stopped":
        raise RunningInstanceError(instance.id, instance.state)


def begin(image: Any, source: Any, specifications: list[dict[str, Any]]) -> None:
    """What moto leaves out of an image that it has just made of the instance `source`."""
    image.state, image.local_parent = PENDING, source.image_id
    image.root_device_type = "ebs"
    for each in specifications:
        if each["ResourceType"] == SNAPSHOT:
            image.ebs_snapshot.add_tags({tag["Key"]: tag["Value"] for tag in each["Tags"]})
    current().events.add(event_log.IMAGE_PENDING, image_id=image.id)


def pending() -> list[dict[str, str]]:
    """Images that wait for a copy of their instance's disk. Hold the cloud's lock."""
    return [
        {"image_id": each.id, "instance_id": each.instance_id, "parent": each.local_parent}
        for backend in ec2_backends[ACCOUNT].values()
        for each in backend.amis.values()
        if each.state == PENDING
    ]


def finish(image_id: str, *, copied: bool) -> None:
    """Hold the cloud's lock. An image that was deregistered meanwhile is nobody's any more."""
    for backend in ec2_backends[ACCOUNT].values():
        image = backend.amis.get(image_id)
        if image is not None and image.state == PENDING:
            image.state = AVAILABLE if copied else FAILED
