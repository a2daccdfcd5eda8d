"""Who talked to whom in the VPC."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.log_group import LogGroup
from infra.policy_document import assumed_by, statement, to_json

AGGREGATION_SECONDS = 600


@dataclass(frozen=True)
class FlowLogsArgs:
    """The VPC, and how its records are stored."""

    vpc_id: pulumi.Output[str]
    retention_days: int
    key_arn: pulumi.Output[str] | None


class FlowLogs(pulumi.ComponentResource):
    """Refused connections only: accepted ones cost as much as the traffic is large, and say little.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-cwl.html
    """

    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:flow_logs:FlowLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        logs = LogGroup(name, args.retention_days, args.key_arn, child)
        trust = assumed_by("vpc-flow-logs.amazonaws.com")
        role = aws.iam.Role(name, assume_role_policy=trust, description="Writes flow logs", opts=child)
        policy = aws.iam.RolePolicy(name, role=role.name, policy=logs.arn.apply(may_write), opts=child)
        aws.ec2.FlowLog(
            name,
            vpc_id=args.vpc_id,
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=AGGREGATION_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({})


def may_write(log_group_arn: str) -> str:
    """One log group and its streams."""
    return to_json(
        statement(
            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [log_group_arn, f"{log_group_arn}:log-stream:*"],
        ),
    )
