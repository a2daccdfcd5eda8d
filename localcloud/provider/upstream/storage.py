"""S3. The provider does not look at the letters of a bucket's name, nor at the order of a lifecycle's steps."""

from localcloud.provider.upstream.checks import Check, Conflict, Value
from localcloud.provider.upstream.forms import (
    JSON,
    LOWER_CASE_KEYS,
    NOT_EMPTY,
    at_least,
    length,
    one_of,
)

_BUCKET = length(1, 63)

LIFECYCLE: tuple[Check, ...] = (
    Value("bucket", _BUCKET),
    Value("rules.id", length(1, 255)),
    Value("rules.status", one_of("Enabled", "Disabled")),
    Value("rules.noncurrentVersionExpiration.newerNoncurrentVersions", at_least(1)),
    Value("rules.noncurrentVersionExpiration.noncurrentDays", at_least(1)),
)
OBJECT: tuple[Check, ...] = (
    Conflict(("content", "source")),
    Value("bucket", NOT_EMPTY),
    Value("key", NOT_EMPTY),
    Value("metadata", LOWER_CASE_KEYS),
    Value(
        "checksumAlgorithm",
        one_of("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"),
    ),
)
TABLE: dict[str, tuple[str, tuple[Check, ...]]] = {
    "aws:s3/bucket:Bucket": ("s3/bucket.go", (Value("bucket", length(0, 63)),)),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        "s3/bucket_lifecycle_configuration.go",
        LIFECYCLE,
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("s3/object.go", OBJECT),
    "aws:s3/bucketPolicy:BucketPolicy": ("s3/bucket_policy.go", (Value("policy", JSON),)),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": (
        "s3/bucket_ownership_controls.go",
        (Value("rule.objectOwnership", one_of("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced")),),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (
        "s3/bucket_versioning.go",
        (Value("bucket", _BUCKET), Value("versioningConfiguration.status", one_of("Enabled", "Suspended", "Disabled"))),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "s3/bucket_server_side_encryption_configuration.go",
        (
            Value("bucket", _BUCKET),
            Value(
                "rules.applyServerSideEncryptionByDefault.sseAlgorithm",
                one_of("AES256", "aws:fsx", "aws:backup", "aws:kms", "aws:kms:dsse"),
            ),
        ),
    ),
}
