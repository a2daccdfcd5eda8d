"""The bucket of model versions, pointers and service bundles."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.policy_document import statement, to_json

NONCURRENT_DAYS = 30  # to undo a deletion or a pointer's change by hand
UNFINISHED_UPLOAD_DAYS = 2  # parts of uploads that were never completed cost as much as objects


@dataclass(frozen=True)
class ModelBucketArgs:
    """`delete_with_stack`: whether destroying the stack may delete the bucket with what is in it."""

    delete_with_stack: bool


class ModelBucket(pulumi.ComponentResource):
    """Versioned, encrypted, private, and reachable through TLS alone."""

    bucket_name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ModelBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:model_bucket:ModelBucket", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(name, force_destroy=args.delete_with_stack, opts=self._child)
        self._keep_private(bucket)
        self._keep_history(bucket)
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=self._child,
        )
        self.bucket_name = bucket.bucket
        self.arn = bucket.arn
        self.register_outputs({"bucketName": self.bucket_name})

    def _keep_private(self, bucket: aws.s3.Bucket) -> None:
        block = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        aws.s3.BucketOwnershipControls(
            f"{self._name}-ownership",
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._child,
        )
        aws.s3.BucketPolicy(
            f"{self._name}-tls",
            bucket=bucket.bucket,
            policy=bucket.arn.apply(tls_only),
            # S3 takes one change of a bucket's access at a time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )

    def _keep_history(self, bucket: aws.s3.Bucket) -> None:
        versioning = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._child,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=bucket.bucket,
            rules=[
                {
                    "id": "noncurrent-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
                },
                {
                    "id": "unfinished-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": UNFINISHED_UPLOAD_DAYS},
                },
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )


def tls_only(arn: str) -> str:
    """Refuse every call that is not encrypted on its way.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """
    return to_json(
        statement(
            ["s3:*"],
            [arn, f"{arn}/*"],
            effect="Deny",
            principal="*",
            condition={"Bool": {"aws:SecureTransport": "false"}},
        )
    )
