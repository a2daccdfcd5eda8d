"""What the nodes of one model may do: read that model, and say when they are warm and when they are drained."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.instance_role import InstanceRole
from infra.policy_document import Statement, statement


@dataclass(frozen=True)
class NodeRoleArgs:
    """The bucket, and the one model of it that these nodes serve."""

    bucket_arn: pulumi.Output[str]
    model: str


class NodeRole(InstanceRole):
    """The role of one fleet's nodes.

    Groups depend on `artifacts`, not on the whole role: the policy for their hooks is part of it, and names them.
    """

    artifacts: aws.iam.RolePolicy

    def __init__(self, name: str, args: NodeRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:node_role:NodeRole", name, f"Inference nodes of {args.model}", opts)
        self.artifacts = self._allow("artifacts", args.bucket_arn.apply(lambda arn: may_read(arn, args.model)))

    def allow_hooks(self, groups: Sequence[aws.autoscaling.Group]) -> None:
        """Let the nodes complete the lifecycle hooks of their own groups."""
        arns = pulumi.Output.all(*[group.arn for group in groups])
        self._allow("hooks", arns.apply(may_complete_hooks))


def may_read(bucket_arn: str, model: str) -> list[Statement]:
    """One model's versions and pointer, and the service bundle. Listing makes a missing key a 404 instead of a 403."""
    readable = [f"{contract.MODELS_PREFIX}{model}/*", contract.pointer_key(model), f"{contract.SERVICES_PREFIX}*"]
    return [
        statement(["s3:GetObject"], [f"{bucket_arn}/{key}" for key in readable]),
        statement(["s3:ListBucket"], [bucket_arn]),
    ]


def may_complete_hooks(group_arns: Sequence[str]) -> list[Statement]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html"""
    return [
        statement(
            ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"], sorted(group_arns)
        )
    ]
