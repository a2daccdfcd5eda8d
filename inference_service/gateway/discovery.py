"""Which nodes exist: EC2 is the registry, read by tags.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import NoCredentialsError

from inference_service import contract


@dataclass(frozen=True)
class FoundNode:
    """A node as EC2 describes it. `market` is spot or on-demand."""

    instance_id: str
    address: str
    zone: str
    market: str
    model: str


def node_filters(environment: str) -> list[dict[str, Any]]:
    """Filters for the running nodes of one environment."""
    return [
        {"Name": f"tag:{contract.TAG_ROLE}", "Values": [contract.ROLE_NODE]},
        {"Name": f"tag:{contract.TAG_ENVIRONMENT}", "Values": [environment]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]


class Registry:
    """EC2's list of the nodes of one environment. `connect` makes a client of EC2."""

    def __init__(self, connect: Callable[[], Any], environment: str) -> None:
        self._connect = connect
        self._filters = node_filters(environment)
        self._ec2 = connect()

    def nodes(self) -> tuple[FoundNode, ...]:
        """Ask EC2, page by page. Blocks: call it in a thread.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS does not answer, or refuses.
        """
        try:
            pages = self._ec2.get_paginator("describe_instances").paginate(Filters=self._filters)
            return tuple(node for page in pages for node in read_page(page))
        except NoCredentialsError:
            # A client made before instance metadata gave out the role would stay without credentials for ever.
            self._ec2 = self._connect()
            raise


def read_page(page: Mapping[str, Any]) -> Iterable[FoundNode]:
    """The nodes of one answer; an instance without a model tag or a private address is not one yet."""
    for reservation in page.get("Reservations", []):
        for instance in reservation.get("Instances", []):
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
            model, address = tags.get(contract.TAG_MODEL), instance.get("PrivateIpAddress")
            if model and address:
                yield FoundNode(
                    instance_id=instance["InstanceId"],
                    address=address,
                    zone=instance.get("Placement", {}).get("AvailabilityZone", ""),
                    market="spot" if instance.get("InstanceLifecycle") == "spot" else "on-demand",
                    model=model,
                )
