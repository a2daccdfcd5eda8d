"""What gateways may do: install the service, find nodes, check API keys, keep answers for Idempotency-Keys."""

from dataclasses import dataclass

import pulumi

from inference_service import contract
from infra.components.instance_role import InstanceRole, may_log
from infra.policy_document import Statement, may_encrypt, may_publish_metrics, statement


@dataclass(frozen=True)
class GatewayRoleArgs:
    """The bucket that holds the service bundle, the parameter that holds key hashes, and the gateways' logs."""

    bucket_arn: pulumi.Output[str]
    api_keys_arn: pulumi.Output[str]
    node_token_arn: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str] | None


class GatewayRole(InstanceRole):
    """The role of all gateways of a stack."""

    def __init__(self, name: str, args: GatewayRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:gateway_role:GatewayRole", name, "Gateways", opts)
        given = pulumi.Output.all(
            args.bucket_arn, args.api_keys_arn, args.node_token_arn, args.log_group_arn, args.key_arn or ""
        )
        self.policy = self._allow("service", given.apply(lambda arns: may_route(*arns)))


def may_route(
    bucket_arn: str, api_keys_arn: str, node_token_arn: str, log_group_arn: str, key_arn: str
) -> list[Statement]:
    """DescribeInstances takes no resource: AWS cannot narrow it.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    return [
        statement(["s3:GetObject"], [f"{bucket_arn}/{contract.SERVICES_PREFIX}*"]),
        statement(["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{contract.IDEMPOTENCY_PREFIX}*"]),
        statement(["s3:PutObject"], [f"{bucket_arn}/{contract.LOADS_PREFIX}*"]),
        statement(["ec2:DescribeInstances"], ["*"]),
        statement(["ssm:GetParameter"], [api_keys_arn, node_token_arn]),
        statement(["ssm:PutParameter"], [node_token_arn]),  # gateways make the token, and change it every day
        may_publish_metrics(),
        may_log(log_group_arn),
        *([may_encrypt(key_arn), statement(["kms:Encrypt"], [key_arn])] if key_arn else []),
    ]
