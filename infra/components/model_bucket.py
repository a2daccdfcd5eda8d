"""The bucket of model versions, pointers and service bundles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.log_bucket import LogBucket
from infra.components.private_bucket import PrivateBucket, PrivateBucketArgs
from infra.policy_document import Condition, Statement, statement

ANSWER_DAYS = 1  # that answers can be asked for again; S3 counts in whole days
RESULT_DAYS = 7  # that results of jobs are kept
OFFER_DAYS = 7  # that a node's compiled code waits to be accepted
LOAD_DAYS = 1  # that reports of gateways stay which are gone; nobody reads one older than minutes
NONCURRENT_DAYS = 30  # to undo a deletion or a pointer's change by hand


@dataclass(frozen=True)
class ModelBucketArgs:
    """`promoters` is a pattern of the role that says what nodes run; the rest as in PrivateBucketArgs."""

    promoters: str
    logs: LogBucket
    key_arn: pulumi.Output[str] | None
    delete_with_stack: bool
    keep: pulumi.ResourceOptions


class ModelBucket(pulumi.ComponentResource):
    """A private bucket whose accesses are logged, and in which one role alone says what is served."""

    bucket_name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ModelBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:model_bucket:ModelBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket_args = PrivateBucketArgs(
            key_arn=args.key_arn,
            noncurrent_days=NONCURRENT_DAYS,
            expiration_days=None,
            statements=pulumi.Output.from_input(decided_by(args.promoters)),
            delete_with_stack=args.delete_with_stack,
            keep=args.keep,
            passing={
                contract.IDEMPOTENCY_PREFIX: ANSWER_DAYS,
                contract.JOBS_PREFIX: RESULT_DAYS,
                contract.OFFERS_PREFIX: OFFER_DAYS,
                contract.LOADS_PREFIX: LOAD_DAYS,
            },
        )
        bucket = PrivateBucket(name, bucket_args, child)
        aws.s3.BucketLogging(
            f"{name}-access-logs",
            bucket=bucket.name,
            target_bucket=args.logs.name,
            target_prefix=args.logs.accesses_prefix,
            # S3 looks whether it may write there.
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self, depends_on=[args.logs]), args.keep),
        )
        self.bucket_name, self.arn = bucket.name, bucket.arn
        self.register_outputs({"bucketName": self.bucket_name})


def decided_by(promoters: str) -> Callable[[str], Sequence[Statement]]:
    """Nobody but the promoter says which version nodes serve, and which compiled code they run: neither administrators
    nor whoever publishes models.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    others: Condition = {"ArnNotLike": {"aws:PrincipalArn": promoters}}
    writing = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"]
    return lambda bucket_arn: [
        statement(
            writing,
            [f"{bucket_arn}/{prefix}*" for prefix in (contract.POINTERS_PREFIX, contract.CACHES_PREFIX)],
            effect="Deny",
            principal="*",
            condition=others,
        )
    ]
