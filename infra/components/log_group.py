"""Log groups as every one of ours is."""

import pulumi
import pulumi_aws as aws


class LogGroup(pulumi.ComponentResource):
    """A log group that forgets: without a retention CloudWatch keeps everything, and bills it."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        retention_days: int,
        key_arn: pulumi.Output[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("warmfleet:log_group:LogGroup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup(name, retention_in_days=retention_days, kms_key_id=key_arn, opts=child)
        self.name, self.arn = group.name, group.arn
        self.register_outputs({"name": self.name})
