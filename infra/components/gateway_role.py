"""What gateways may do: install the service, and find nodes."""

from dataclasses import dataclass

import pulumi

from inference_service import contract
from infra.components.instance_role import InstanceRole
from infra.policy_document import Statement, statement


@dataclass(frozen=True)
class GatewayRoleArgs:
    """The bucket that holds the service bundle."""

    bucket_arn: pulumi.Output[str]


class GatewayRole(InstanceRole):
    """The role of all gateways of a stack."""

    def __init__(self, name: str, args: GatewayRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:gateway_role:GatewayRole", name, "Gateways", opts)
        self.policy = self._allow("service", args.bucket_arn.apply(may_install_and_find))


def may_install_and_find(bucket_arn: str) -> list[Statement]:
    """DescribeInstances takes no resource: AWS cannot narrow it.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    return [
        statement(["s3:GetObject"], [f"{bucket_arn}/{contract.SERVICES_PREFIX}*"]),
        statement(["ec2:DescribeInstances"], ["*"]),
    ]
