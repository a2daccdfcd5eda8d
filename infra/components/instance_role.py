"""What an instance may do: an IAM role and the profile that carries it."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.policy_document import Statement, assumed_by, to_json


class InstanceRole(pulumi.ComponentResource):
    """A role for EC2 instances. It begins with no permission at all; subclasses add what their service calls."""

    profile_arn: pulumi.Output[str]

    def __init__(self, token: str, name: str, description: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(token, name, None, opts)
        self._name = name
        child = pulumi.ResourceOptions(parent=self)
        self._role = aws.iam.Role(
            name, assume_role_policy=assumed_by("ec2.amazonaws.com"), description=description, opts=child
        )
        self.profile_arn = aws.iam.InstanceProfile(name, role=self._role.name, opts=child).arn
        self.register_outputs({"profileArn": self.profile_arn})

    def _allow(self, what: str, statements: pulumi.Output[Sequence[Statement]]) -> aws.iam.RolePolicy:
        """Add one inline policy named after `what`."""
        return aws.iam.RolePolicy(
            f"{self._name}-{what}",
            role=self._role.name,
            policy=statements.apply(lambda each: to_json(*each)),
            opts=pulumi.ResourceOptions(parent=self),
        )
