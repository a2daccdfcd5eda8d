"""What an instance may do: an IAM role and the profile that carries it."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.policy_document import Statement, assumed_by, may_publish_metrics, statement, to_json


class InstanceRole(pulumi.ComponentResource):
    """A role for EC2 instances, which people reach through Systems Manager alone; subclasses add permissions."""

    profile_arn: pulumi.Output[str]

    def __init__(self, token: str, name: str, description: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(token, name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._role = aws.iam.Role(
            name, assume_role_policy=assumed_by("ec2.amazonaws.com"), description=description, opts=self._child
        )
        session = to_json(may_be_reached(), *may_measure())
        aws.iam.RolePolicy(f"{name}-session", role=self._role.name, policy=session, opts=self._child)
        self.profile_arn = aws.iam.InstanceProfile(name, role=self._role.name, opts=self._child).arn
        self.register_outputs({"profileArn": self.profile_arn})

    def _allow(self, what: str, statements: pulumi.Output[Sequence[Statement]]) -> aws.iam.RolePolicy:
        """Add one inline policy named after `what`."""
        return aws.iam.RolePolicy(
            f"{self._name}-{what}",
            role=self._role.name,
            policy=statements.apply(lambda each: to_json(*each)),
            opts=self._child,
        )


def may_log(log_group_arn: str) -> Statement:
    """Write into one log group.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
    """
    return statement(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:log-stream:*"])


def may_be_reached() -> Statement:
    """Session Manager instead of ssh, and port forwarding to the internal gateway; these actions take no resource.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
    """
    channels = [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]
    return statement(["ssm:UpdateInstanceInformation", *channels], ["*"])


def may_measure() -> list[Statement]:
    """What the CloudWatch agent needs: to write metrics, and to learn from a tag which group they are of.

    DescribeTags knows no resources:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """
    return [may_publish_metrics(contract.NAMESPACE_HOSTS), statement(["ec2:DescribeTags"], ["*"])]
