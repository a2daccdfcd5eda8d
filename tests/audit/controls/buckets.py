"""S3: what may be read, by whom, and what is kept of it."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from localcloud.aws.cloud import ACCOUNT as ACCOUNT_ID
from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import ACCOUNT, Control, Look, Seen, unless
from tests.audit.controls.statements import allowed, covers, for_everybody, principals, public, refuses_plain_http

NOT_SET = {"NoSuchBucketPolicy", "NoSuchPublicAccessBlockConfiguration", "NoSuchLifecycleConfiguration"}
NOT_SET |= {"OwnershipControlsNotFoundError", "ServerSideEncryptionConfigurationNotFoundError"}
EVERYBODY = ("/global/AllUsers", "/global/AuthenticatedUsers")
SENSITIVE = ("DeleteBucketPolicy", "PutBucketAcl", "PutBucketPolicy", "PutEncryptionConfiguration", "PutObjectAcl")
READING, WRITING = ("s3:GetObject", "s3:ListBucket"), ("s3:PutObject", "s3:DeleteObject")


def setting(aws: LocalAws, question: str, bucket: str) -> Any:
    """The answer of s3:get_QUESTION; empty where that was never set."""
    try:
        return getattr(aws.client("s3"), f"get_{question}")(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SET:
            raise
        return {}


def policy_of(aws: LocalAws, bucket: str) -> str | None:
    found: str | None = setting(aws, "bucket_policy", bucket).get("Policy")
    return found


def names(aws: LocalAws) -> list[str]:
    return [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]


def account_is_closed(aws: LocalAws) -> Iterator[Seen]:
    client = aws.client("s3control")
    client.meta.events.register("before-sign.s3-control.*", _to_the_endpoint_itself, unique_id="here")
    try:
        block = client.get_public_access_block(AccountId=ACCOUNT_ID)["PublicAccessBlockConfiguration"]
    except client.exceptions.NoSuchPublicAccessBlockConfiguration:
        block = {}
    yield ACCOUNT, unless(_closed(block), "does not block public access to all its buckets")


def _to_the_endpoint_itself(request: Any, **_: Any) -> None:
    """The SDK puts the account before the host's name, which is an address here."""
    request.url = request.url.replace(f"//{ACCOUNT_ID}.", "//")


def bucket_is_closed(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        block = setting(aws, "public_access_block", name).get("PublicAccessBlockConfiguration", {})
        yield _label(name), unless(_closed(block), "does not block public access")


def account_and_buckets_are_closed(aws: LocalAws) -> Iterator[Seen]:
    yield from account_is_closed(aws)
    yield from bucket_is_closed(aws)


def _closed(block: dict[str, bool]) -> bool:
    kinds = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return all(block.get(kind) for kind in kinds)


def closed_to_everybody(actions: tuple[str, ...], permission: str) -> Look:
    """Whether or not public access is blocked: neither policy nor ACL shall need that."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        for name in names(aws):
            policy = policy_of(aws, name)
            grants = [
                each["Permission"]
                for each in setting(aws, "bucket_acl", name)["Grants"]
                if each["Grantee"].get("URI", "").endswith(EVERYBODY)
            ]
            by_policy = any(public(policy, action) for action in actions)
            is_open = by_policy or {permission, "FULL_CONTROL"} & set(grants)
            yield _label(name), unless(not is_open, f"everybody has {permission}")

    return look


def plain_http_is_refused(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        whole = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/any/object"]
        yield _label(name), unless(refuses_plain_http(policy_of(aws, name), "s3:any", whole), "answers plain HTTP")


def others_may_not_change_access(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        strangers = [
            each
            for each in allowed(policy_of(aws, name))
            if for_everybody(each) or any(who != "*" and ACCOUNT_ID not in who for who in principals(each))
        ]
        risky = any(covers(each["Action"], f"s3:{action}") for each in strangers for action in SENSITIVE)
        yield _label(name), unless(not risky, "lets another account change who has access")


def accesses_are_logged(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        yield _label(name), unless(setting(aws, "bucket_logging", name).get("LoggingEnabled"), "logs no accesses")


def acls_are_off(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        rules = setting(aws, "bucket_ownership_controls", name).get("OwnershipControls", {}).get("Rules", [])
        off = [each["ObjectOwnership"] for each in rules] == ["BucketOwnerEnforced"]
        yield _label(name), unless(off, "gives access by ACLs")


def has_a_lifecycle(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        rules = setting(aws, "bucket_lifecycle_configuration", name).get("Rules", [])
        yield _label(name), unless(any(each["Status"] == "Enabled" for each in rules), "keeps everything for ever")


def keeps_versions(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        versioned = setting(aws, "bucket_versioning", name).get("Status") == "Enabled"
        yield _label(name), unless(versioned, "keeps no versions")


def is_encrypted_by_kms(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        found = setting(aws, "bucket_encryption", name).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        kinds = [each["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for each in found]
        yield _label(name), unless(kinds and kinds[0].startswith("aws:kms"), "is not encrypted by a key in KMS")


def deletion_wants_mfa(aws: LocalAws) -> Iterator[Seen]:
    for name in names(aws):
        asked = setting(aws, "bucket_versioning", name).get("MFADelete") == "Enabled"
        yield _label(name), unless(asked, "loses versions without MFA")


def _label(name: str) -> str:
    return f"bucket {name}"


CONTROLS = (
    Control("S3.1", "The account blocks public access", account_is_closed),
    Control("S3.2", "Nobody outside may read", closed_to_everybody(READING, "READ")),
    Control("S3.3", "Nobody outside may write", closed_to_everybody(WRITING, "WRITE")),
    Control("S3.5", "Plain HTTP is refused", plain_http_is_refused),
    Control("S3.6", "Other accounts may not change who has access", others_may_not_change_access),
    Control("S3.8", "Each bucket blocks public access", bucket_is_closed),
    Control("S3.9", "Accesses are logged", accesses_are_logged),
    Control("S3.12", "No access by ACLs", acls_are_off),
    Control("S3.13", "Objects have a lifecycle", has_a_lifecycle),
    Control("S3.14", "Versions are kept", keeps_versions),
    Control("S3.17", "Objects are encrypted by a key in KMS", is_encrypted_by_kms),
    Control("CIS 3.1.1", "Plain HTTP is refused", plain_http_is_refused),
    Control("CIS 3.1.2", "Versions are deleted with MFA alone", deletion_wants_mfa),
    Control("CIS 3.1.4", "Account and buckets block public access", account_and_buckets_are_closed),
)
