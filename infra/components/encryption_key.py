"""The stack's own KMS key: one for everything at rest."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.policy_document import Condition, statement, to_json

DELETION_DAYS = 30  # the longest: who deletes it by mistake has a month to cancel
AUTO_SCALING_ROLE = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
PUBLISHERS = ("cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com")


@dataclass(frozen=True)
class EncryptionKeyArgs:
    """Where the key lives; `keep` protects it from `destroy`."""

    account_id: str
    region: str
    keep: pulumi.ResourceOptions


class EncryptionKey(pulumi.ComponentResource):
    """Encrypts disks, bucket, queues, topics, logs and parameters; rotated by KMS every year."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:encryption_key:EncryptionKey", name, None, opts)
        key = aws.kms.Key(
            name,
            description="Warmfleet: everything of one stack that is stored",
            policy=key_policy(args.account_id, args.region),
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), args.keep),
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


def key_policy(account_id: str, region: str) -> str:
    """Who may use the key: the account by IAM policies, and the AWS services that store or send for it.

    - The account: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    - Auto Scaling, without which no instance with an encrypted disk starts; the role has to exist before the key
      (docs/deploy.md): https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
    - CloudWatch Logs: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    - Alarms, rules and budgets that publish to encrypted topics and queues:
      https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    auto_scaling = {"AWS": f"arn:aws:iam::{account_id}:{AUTO_SCALING_ROLE}"}
    for_resources: Condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    of_our_logs: Condition = {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account_id}:log-group:*"}
    }
    of_our_account: Condition = {"StringEquals": {"aws:SourceAccount": account_id}}
    here = ["*"]  # in a key policy: this key
    return to_json(
        statement(["kms:*"], here, principal={"AWS": f"arn:aws:iam::{account_id}:root"}),
        statement(use, here, principal=auto_scaling),
        statement(["kms:CreateGrant"], here, principal=auto_scaling, condition=for_resources),
        statement(use, here, principal={"Service": f"logs.{region}.amazonaws.com"}, condition=of_our_logs),
        statement(
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            here,
            principal={"Service": list(PUBLISHERS)},
            condition=of_our_account,
        ),
    )
