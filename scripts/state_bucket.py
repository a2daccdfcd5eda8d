"""The state bucket: how it has to be (pure), and the calls that read it and make it so."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.policy_document import tls_only
from scripts.exit_codes import CommandError
from scripts.state_backend import StateBackend

NONCURRENT_DAYS = 90  # so long an older state can be brought back
UNFINISHED_UPLOAD_DAYS = 2
STATEMENT = "WarmfleetTlsOnly"
BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
ABSENT = (
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
)
Settings = Mapping[str, Any]


def wanted(backend: StateBackend, key_arn: str) -> Settings:
    """Every setting by name, in the order in which they are made: nothing is stored before it is private.

    Locks come and go with every update, so that deleted objects would leave their markers for ever: hence
    ExpiredObjectDeleteMarker (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html).
    """
    arn = f"arn:{backend.partition}:s3:::{backend.bucket}"
    history = {
        "ID": "noncurrent-versions",
        "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    }
    uploads = {
        "ID": "unfinished-uploads",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_UPLOAD_DAYS},
    }
    return {
        "public access block": dict.fromkeys(BLOCKED, True),
        "object ownership": "BucketOwnerEnforced",
        "TLS-only policy": {"Sid": STATEMENT, **tls_only(["s3:*"], [arn, f"{arn}/*"])},
        "versioning": "Enabled",
        "encryption": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn, "BucketKeyEnabled": True},
        "lifecycle": [
            {"Status": "Enabled", "Filter": {"Prefix": ""}, **history},
            {"Status": "Enabled", "Filter": {"Prefix": ""}, **uploads},
        ],
    }


def differences(want: Settings, found: Settings) -> dict[str, str]:
    """The settings to repair, each with what was found instead."""
    return {
        name: "missing" if found.get(name) is None else f"was {json.dumps(found[name])}"
        for name, value in want.items()
        if _same(found.get(name)) != _same(value)
    }


def _same(value: Any) -> Any:
    """A value in the form in which two of one meaning are equal: of a list with one item, the item."""
    if isinstance(value, Mapping):
        return {name: _same(each) for name, each in value.items()}
    if isinstance(value, list):
        return _same(value[0]) if len(value) == 1 else [_same(each) for each in value]
    return value


class StateBucket:
    """The bucket of `backend` through the S3 client `s3`; every call says whose bucket it must be."""

    def __init__(self, s3: Any, backend: StateBackend) -> None:
        self._s3 = s3
        self._backend = backend
        self._ours = {"Bucket": backend.bucket, "ExpectedBucketOwner": backend.account}

    def exists(self) -> bool:
        """Whether it is there.

        Raises:
            CommandError: it is another account's.
        """
        from botocore.exceptions import ClientError

        try:
            self._s3.head_bucket(**self._ours)
        except ClientError as error:
            if (code := error.response["Error"]["Code"]) in ("404", "NoSuchBucket"):
                return False
            if code in ("403", "AccessDenied"):
                raise self._foreign() from error
            raise
        return True

    def create(self) -> None:
        """Make the bucket. us-east-1 is the one region that must not be named.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        """
        from botocore.exceptions import ClientError

        region = self._backend.region
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._s3.create_bucket(Bucket=self._backend.bucket, **place)
        except ClientError as error:
            if error.response["Error"]["Code"] == "BucketAlreadyExists":
                raise self._foreign() from error
            raise

    def read(self) -> Settings:
        """Every setting of the existing bucket in the form of `wanted`; None for one that is not made."""
        return {
            "public access block": self._get(self._s3.get_public_access_block, _access_block),
            "object ownership": self._get(self._s3.get_bucket_ownership_controls, _ownership),
            "TLS-only policy": next((each for each in self._statements() if each.get("Sid") == STATEMENT), None),
            "versioning": self._get(self._s3.get_bucket_versioning, lambda answer: answer.get("Status")),
            "encryption": self._get(self._s3.get_bucket_encryption, _encryption),
            "lifecycle": self._get(self._s3.get_bucket_lifecycle_configuration, _lifecycle),
        }

    def repair(self, name: str, value: Any) -> None:
        """Make one setting as it is wanted. Other statements of the policy stay, other lifecycle rules do not."""
        s3, ours = self._s3, self._ours
        match name:
            case "public access block":
                s3.put_public_access_block(**ours, PublicAccessBlockConfiguration=value)
            case "object ownership":
                s3.put_bucket_ownership_controls(**ours, OwnershipControls={"Rules": [{"ObjectOwnership": value}]})
            case "TLS-only policy":
                others = [each for each in self._statements() if each.get("Sid") != STATEMENT]
                document = {"Version": "2012-10-17", "Statement": [*others, value]}
                s3.put_bucket_policy(**ours, Policy=json.dumps(document))
            case "versioning":
                s3.put_bucket_versioning(**ours, VersioningConfiguration={"Status": value})
            case "encryption":
                s3.put_bucket_encryption(**ours, ServerSideEncryptionConfiguration={"Rules": [_encryption_rule(value)]})
            case "lifecycle":
                s3.put_bucket_lifecycle_configuration(**ours, LifecycleConfiguration={"Rules": value})
            case _:
                raise AssertionError(name)

    def _get(self, call: Callable[..., Any], pick: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import ClientError

        try:
            return pick(call(**self._ours))
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                return None
            raise

    def _statements(self) -> list[dict[str, Any]]:
        text = self._get(self._s3.get_bucket_policy, lambda answer: answer["Policy"])
        statements = json.loads(text)["Statement"] if text else []
        return statements if isinstance(statements, list) else [statements]

    def _foreign(self) -> CommandError:
        """S3 answers 403 for both, so that nobody learns which buckets others have."""
        return CommandError(
            f"bucket {self._backend.bucket} is not yours: it belongs to another account than {self._backend.account}, "
            "or your credentials may not see it; sign in as who may, take another --region, or use another backend "
            "by PULUMI_BACKEND_URL"
        )


def _access_block(answer: Any) -> Any:
    found = answer["PublicAccessBlockConfiguration"]
    return {name: bool(found.get(name)) for name in BLOCKED}


def _ownership(answer: Any) -> Any:
    return answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"]


def _encryption(answer: Any) -> Any:
    (rule, *_) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    kept = {name: default[name] for name in ("SSEAlgorithm", "KMSMasterKeyID") if name in default}
    return {**kept, "BucketKeyEnabled": bool(rule.get("BucketKeyEnabled"))}


def _encryption_rule(value: Mapping[str, Any]) -> dict[str, Any]:
    default = {name: value[name] for name in ("SSEAlgorithm", "KMSMasterKeyID")}
    return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": value["BucketKeyEnabled"]}


def _lifecycle(answer: Any) -> Any:
    """A rule for everything reads as `Filter: {}` or with an empty prefix, whichever way it was written."""
    return [{**rule, "Filter": rule.get("Filter") or {"Prefix": ""}} for rule in answer["Rules"]]
