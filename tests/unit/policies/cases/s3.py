"""Buckets and what is set on them."""

from typing import Any

from infra.policies.aws_refuses.s3 import ACL, BUCKET, ENCRYPTION, LIFECYCLE, LOCK, OBJECT, OWNERSHIP, VERSIONING
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import Case, Props


def lifecycle(**rule: Any) -> Props:
    return {"rules": [{"id": "old", "status": "Enabled", **rule}]}


BESIDE = [Resource(BUCKET, "bucket", {})]
OF_BUCKET = {"bucket": ["bucket"]}

CASES = [
    Case("bucket-name", BUCKET, {"bucket": "192.168.5.4"}, {"bucket": "v192.168.5.4"}),
    Case("bucket-name", BUCKET, {"bucket": "Models"}, {"bucket": "models"}),
    Case("bucket-name", BUCKET, {"bucket": "models-s3alias"}, {"bucket": "models-s3-alias"}),
    Case("lifecycle-rules", LIFECYCLE, lifecycle(), lifecycle(expiration={"days": 1})),
    Case(
        "lifecycle-rules",
        LIFECYCLE,
        lifecycle(expiration={"days": 1}, filter={"prefix": "a/", "tag": {"key": "k", "value": "v"}}),
        lifecycle(expiration={"days": 1}, filter={"prefix": "a/"}),
    ),
    Case(
        "lifecycle-order",
        LIFECYCLE,
        lifecycle(transitions=[{"days": 29, "storageClass": "STANDARD_IA"}]),
        lifecycle(transitions=[{"days": 30, "storageClass": "STANDARD_IA"}]),
    ),
    Case(
        "lifecycle-order",
        LIFECYCLE,
        lifecycle(transitions=[{"days": 30, "storageClass": "GLACIER"}], expiration={"days": 30}),
        lifecycle(transitions=[{"days": 30, "storageClass": "GLACIER"}], expiration={"days": 31}),
    ),
    Case(
        "bucket-encryption",
        ENCRYPTION,
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256", "kmsMasterKeyId": UNKNOWN}}]},
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": UNKNOWN}}]},
    ),
    Case(
        "object-lock",
        LOCK,
        {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1, "years": 1}}},
        {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1}}},
    ),
    Case(
        "versioning-of-a-locked-bucket",
        VERSIONING,
        {"versioningConfiguration": {"status": "Suspended"}},
        {"versioningConfiguration": {"status": "Enabled"}},
        [*BESIDE, Resource(LOCK, "lock", {}, OF_BUCKET)],
        OF_BUCKET,
    ),
    Case(
        "object-lock-needs-versions",
        LOCK,
        {},
        {},
        BESIDE,
        OF_BUCKET,
        [*BESIDE, Resource(VERSIONING, "versions", {"versioningConfiguration": {"status": "Enabled"}}, OF_BUCKET)],
    ),
    Case(
        "acl-of-an-enforced-bucket",
        ACL,
        {"acl": "public-read"},
        {"acl": "public-read"},
        BESIDE,
        OF_BUCKET,
        [*BESIDE, Resource(OWNERSHIP, "own", {"rule": {"objectOwnership": "ObjectWriter"}}, OF_BUCKET)],
    ),
    Case("object-content", OBJECT, {"key": "k", "content": "a", "contentBase64": "YQ=="}, {"key": "k", "content": "a"}),
]
