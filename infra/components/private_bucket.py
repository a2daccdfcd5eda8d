"""A bucket as every one of ours is: versioned, encrypted, private, owned by its account, and reached by TLS alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws
from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict

from infra.policy_document import Statement, tls_only, to_json

UNFINISHED_UPLOAD_DAYS = 2  # parts of uploads that were never completed cost as much as objects


@dataclass(frozen=True)
class PrivateBucketArgs:
    """What differs between buckets.

    Attributes:
        key_arn: of the customer managed key; None for S3's own encryption.
        noncurrent_days: how long replaced and deleted versions stay.
        expiration_days: how long objects stay at all; None for ever.
        statements: of the bucket's policy, beside TLS, from the bucket's ARN.
        delete_with_stack: whether destroying the stack may delete the bucket with what is in it.
        keep: options that protect the bucket and what makes it private.
        passing: days after which objects under a prefix are gone, their earlier versions too.
    """

    key_arn: pulumi.Output[str] | None
    noncurrent_days: int
    expiration_days: int | None
    statements: pulumi.Output[Callable[[str], Sequence[Statement]]]
    delete_with_stack: bool
    keep: pulumi.ResourceOptions
    passing: Mapping[str, int] = field(default_factory=dict)


class PrivateBucket(pulumi.ComponentResource):
    """Bucket and settings; what keeps it private is kept as long as the bucket itself."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:private_bucket:PrivateBucket", name, None, opts)
        self._label, self._args = name, args
        self._bucket = aws.s3.Bucket(name, force_destroy=args.delete_with_stack, opts=self._child())
        self._block_the_public()
        self._keep_history()
        self._encrypt()
        self.name, self.arn = self._bucket.bucket, self._bucket.arn
        self.register_outputs({"name": self.name, "arn": self.arn})

    def _child(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        own = pulumi.ResourceOptions(parent=self, depends_on=[*after])
        return pulumi.ResourceOptions.merge(own, self._args.keep)

    def _block_the_public(self) -> None:
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._label}-private",
            bucket=self._bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child(),
        )
        aws.s3.BucketOwnershipControls(
            f"{self._label}-ownership",
            bucket=self._bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._child(),
        )
        policy = pulumi.Output.all(self._bucket.arn, self._args.statements).apply(
            lambda given: to_json(tls_only(["s3:*"], [given[0], f"{given[0]}/*"]), *given[1](given[0]))
        )
        aws.s3.BucketPolicy(
            f"{self._label}-policy",
            bucket=self._bucket.bucket,
            policy=policy,
            opts=self._child(block),  # S3 takes one change of a bucket's access at a time
        )

    def _keep_history(self) -> None:
        versioning = aws.s3.BucketVersioning(
            f"{self._label}-versioning",
            bucket=self._bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._child(),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._label}-lifecycle",
            bucket=self._bucket.bucket,
            rules=lifecycle_rules(self._args.noncurrent_days, self._args.expiration_days, self._args.passing),
            opts=self._child(versioning),
        )

    def _encrypt(self) -> None:
        key = self._args.key_arn
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._label}-encryption",
            bucket=self._bucket.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key},
                    "bucket_key_enabled": True,  # one call to KMS for many objects
                }
                if key
                else {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
            ],
            opts=self._child(),
        )


def lifecycle_rules(
    noncurrent_days: int, expiration_days: int | None, passing: Mapping[str, int]
) -> list[BucketLifecycleConfigurationRuleArgsDict]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html"""
    rules: list[BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": "noncurrent-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": noncurrent_days},
        },
        {
            "id": "unfinished-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": UNFINISHED_UPLOAD_DAYS},
        },
    ]
    for prefix, days in passing.items():
        rules.append(
            {
                "id": f"passing-{prefix.rstrip('/')}",
                "status": "Enabled",
                "filter": {"prefix": prefix},
                "expiration": {"days": days},
                "noncurrent_version_expiration": {"noncurrent_days": 1},
            }
        )
    if expiration_days is not None:
        rules.append(
            {
                "id": "old-objects",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "expiration": {"days": expiration_days},
            }
        )
    return rules
