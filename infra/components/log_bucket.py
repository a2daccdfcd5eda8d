"""The bucket that S3 and the load balancer write their access logs to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi

from infra.components.private_bucket import PrivateBucket, PrivateBucketArgs
from infra.policy_document import Condition, Statement, statement

NONCURRENT_DAYS = 7
ACCESSES_PREFIX = "s3/"
BALANCER_PREFIX = "balancer"  # without a slash at its end: Elastic Load Balancing refuses one


@dataclass(frozen=True)
class LogBucketArgs:
    """How long logs stay; the rest as in PrivateBucketArgs."""

    account_id: str
    retention_days: int
    delete_with_stack: bool
    keep: pulumi.ResourceOptions


class LogBucket(pulumi.ComponentResource):
    """Encrypted with S3's own key: the load balancer can write to no other.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """

    name: pulumi.Output[str]
    accesses_prefix = ACCESSES_PREFIX
    balancer_prefix = BALANCER_PREFIX

    def __init__(self, name: str, args: LogBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:log_bucket:LogBucket", name, None, opts)
        bucket_args = PrivateBucketArgs(
            key_arn=None,
            noncurrent_days=NONCURRENT_DAYS,
            expiration_days=args.retention_days,
            statements=pulumi.Output.from_input(log_writers(args.account_id)),
            delete_with_stack=args.delete_with_stack,
            keep=args.keep,
        )
        self.bucket = PrivateBucket(name, bucket_args, pulumi.ResourceOptions(parent=self))
        self.name = self.bucket.name
        self.register_outputs({"name": self.name})


def log_writers(account_id: str) -> Callable[[str], Sequence[Statement]]:
    """The two services, for this account's logs alone.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html and the page above.
    """
    ours: Condition = {"StringEquals": {"aws:SourceAccount": account_id}}
    return lambda arn: [
        statement(
            ["s3:PutObject"],
            [f"{arn}/{ACCESSES_PREFIX}*"],
            principal={"Service": "logging.s3.amazonaws.com"},
            condition=ours,
        ),
        statement(
            ["s3:PutObject"],
            [f"{arn}/{BALANCER_PREFIX}/AWSLogs/{account_id}/*"],
            principal={"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        ),
    ]
