"""What the nodes of one model may do: read that model, do its jobs, and say when they are warm and when drained."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.instance_role import InstanceRole, may_log
from infra.policy_document import Statement, may_encrypt, statement


@dataclass(frozen=True)
class NodeRoleArgs:
    """The bucket, the one model of it that these nodes serve, its jobs and its logs."""

    bucket_arn: pulumi.Output[str]
    model: str
    jobs_queue_arn: pulumi.Output[str]
    dead_letters_arn: pulumi.Output[str]
    node_token_arn: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str] | None


class NodeRole(InstanceRole):
    """The role of one fleet's nodes.

    Groups depend on `artifacts`, not on the whole role: the policy for their hooks is part of it, and names them.
    """

    artifacts: aws.iam.RolePolicy

    def __init__(self, name: str, args: NodeRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:node_role:NodeRole", name, f"Inference nodes of {args.model}", opts)
        self._bucket_arn = args.bucket_arn
        queues = args.jobs_queue_arn, args.dead_letters_arn
        given = pulumi.Output.all(args.bucket_arn, *queues, args.node_token_arn, args.log_group_arn, args.key_arn or "")
        self.artifacts = self._allow("artifacts", given.apply(lambda arns: may_serve(args.model, *arns)))

    def allow_hooks(self, groups: Sequence[aws.autoscaling.Group]) -> None:
        """Let the nodes complete the lifecycle hooks of their own groups."""
        arns = pulumi.Output.all(*[group.arn for group in groups])
        self._allow("hooks", arns.apply(may_complete_hooks))
        names = pulumi.Output.all(self._bucket_arn, *[group.name for group in groups])
        self._allow("replacement", pulumi.Output.all(arns, names).apply(lambda each: may_be_replaced(*each)))


def may_serve(
    model: str,
    bucket_arn: str,
    jobs_queue_arn: str,
    dead_letters_arn: str,
    node_token_arn: str,
    log_group_arn: str,
    key_arn: str,
) -> list[Statement]:
    """One model's versions, pointer and jobs, and the service bundle. Listing makes a missing key a 404, not a 403.

    Compiled code is read where a person has accepted it, and offered where nobody runs it from.
    """
    folders = [f"{contract.MODELS_PREFIX}{model}/", f"{contract.CACHES_PREFIX}{model}/", contract.SERVICES_PREFIX]
    readable = [contract.pointer_key(model), *(f"{folder}*" for folder in folders)]
    working = ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    return [
        statement(["s3:GetObject"], [f"{bucket_arn}/{key}" for key in readable]),
        statement(["s3:ListBucket"], [bucket_arn]),
        statement(["s3:PutObject"], [f"{bucket_arn}/{contract.OFFERS_PREFIX}{model}/*"]),
        statement(["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{contract.JOBS_PREFIX}*"]),
        statement(working, [jobs_queue_arn]),
        statement(["sqs:SendMessage"], [dead_letters_arn]),
        statement(["ssm:GetParameter"], [node_token_arn]),
        may_log(log_group_arn),
        *([may_encrypt(key_arn)] if key_arn else []),
    ]


def may_complete_hooks(group_arns: Sequence[str]) -> list[Statement]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html"""
    return [
        statement(
            ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"], sorted(group_arns)
        )
    ]


def may_be_replaced(group_arns: Sequence[str], bucket_and_groups: Sequence[str]) -> list[Statement]:
    """A node that no restart mends marks itself unhealthy, within the bound that the groups' counts keep.

    Describe calls know no resources:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
    """
    bucket_arn, *groups = bucket_and_groups
    counts = [f"{bucket_arn}/{contract.replacements_key(group)}" for group in groups]
    return [
        statement(["autoscaling:SetInstanceHealth"], sorted(group_arns)),
        statement(["autoscaling:DescribeAutoScalingGroups"], ["*"]),
        statement(["s3:GetObject", "s3:PutObject"], sorted(counts)),
    ]
