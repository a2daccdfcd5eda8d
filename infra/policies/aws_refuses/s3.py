"""Buckets and what is set on them."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
OWNERSHIP, ACL = "aws:s3/bucketOwnershipControls:BucketOwnershipControls", "aws:s3/bucketAcl:BucketAcl"

GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
API = "https://docs.aws.amazon.com/AmazonS3/latest/API/"
PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# From hot to cold: a later step may not be a warmer class.
CLASSES = ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
ACTIONS = (
    "expiration",
    "transitions",
    "noncurrentVersionExpiration",
    "noncurrentVersionTransitions",
    "abortIncompleteMultipartUpload",
)

LIMITS = [
    among(
        VERSIONING,
        "versioningConfiguration.status",
        ["Enabled", "Suspended", "Disabled"],
        f"{API}API_PutBucketVersioning.html",
    ),
    among(LIFECYCLE, "rules[].status", ["Enabled", "Disabled"], f"{API}API_LifecycleRule.html"),
    among(LIFECYCLE, "rules[].transitions[].storageClass", CLASSES, f"{API}API_Transition.html"),
    among(
        LIFECYCLE,
        "rules[].noncurrentVersionTransitions[].storageClass",
        CLASSES,
        f"{API}API_NoncurrentVersionTransition.html",
    ),
    between(
        LIFECYCLE,
        "rules[].noncurrentVersionExpiration.newerNoncurrentVersions",
        1,
        100,
        f"{API}API_NoncurrentVersionExpiration.html",
    ),
    among(LOCK, "rule.defaultRetention.mode", ["GOVERNANCE", "COMPLIANCE"], f"{API}API_DefaultRetention.html"),
    between(LOCK, "rule.defaultRetention.days", 1, 36500, f"{API}API_DefaultRetention.html"),
    between(LOCK, "rule.defaultRetention.years", 1, 100, f"{API}API_DefaultRetention.html"),
    among(
        OWNERSHIP,
        "rule.objectOwnership",
        ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"],
        f"{API}API_OwnershipControlsRule.html",
    ),
    among(
        ENCRYPTION,
        "rules[].applyServerSideEncryptionByDefault.sseAlgorithm",
        ["AES256", "aws:kms", "aws:kms:dsse"],
        f"{API}API_ServerSideEncryptionByDefault.html",
    ),
]


@rule(BUCKET, source=f"{GUIDE}bucketnamingrules.html")
def bucket_name(bucket: Resource) -> Iterator[str]:
    """3 to 63 of a-z, 0-9, . and -; no IP address; none of the reserved beginnings and ends."""
    for place, name in bucket.known("bucket"):
        if not isinstance(name, str) or not name:
            continue
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            yield f"{place} is {shown(name)}; must be 3 to 63 of a-z, 0-9, . and -, with a letter or digit at both ends"
        elif ".." in name or ".-" in name or "-." in name or _is_address(name):
            yield f"{place} is {name!r}; must hold no two dots in a row, no dot beside -, and be no IP address"
        elif name.startswith(PREFIXES) or name.endswith(SUFFIXES):
            yield f"{place} is {name!r}; must not begin with {', '.join(PREFIXES)} nor end with {', '.join(SUFFIXES)}"
    prefix = bucket.get("bucketPrefix")
    if isinstance(prefix, str) and len(prefix) > 37:
        yield f"bucketPrefix has {len(prefix)} characters; must be at most 37"
    if bucket.has("bucket") and bucket.has("bucketPrefix"):
        yield "bucket and bucketPrefix given; give one of them"


@rule(LIFECYCLE, source=f"{API}API_LifecycleRule.html")
def lifecycle_rules(lifecycle: Resource) -> Iterator[str]:
    """At most 1,000, each with an id of its own and something to do."""
    rules = [(place, value) for place, value in lifecycle.known("rules[]") if isinstance(value, dict)]
    if len(rules) > 1000:
        yield f"rules has {len(rules)} members; must be at most 1000"
    ids = [str(value["id"]) for _, value in rules if isinstance(value.get("id"), str)]
    for twice in sorted({each for each in ids if ids.count(each) > 1}):
        yield f"rules has id {twice} twice; give each its own"
    for place, value in rules:
        if isinstance(value.get("id"), str) and len(value["id"]) > 255:
            yield f"{place}.id has {len(value['id'])} characters; must be at most 255"
        if not any(value.get(each) for each in ACTIONS):
            yield f"{place} does nothing; give one of {', '.join(ACTIONS)}"
        yield from _filter(place, value)


def _filter(place: str, lifecycle: dict[str, Any]) -> Iterator[str]:
    chosen = lifecycle.get("filter")
    if not isinstance(chosen, dict):
        return
    kinds = [
        each for each in ("prefix", "tag", "and", "objectSizeGreaterThan", "objectSizeLessThan") if chosen.get(each)
    ]
    if len(kinds) > 1:
        yield f"{place}.filter has {' and '.join(kinds)}; put them into `and`"
    both = chosen.get("and") if isinstance(chosen.get("and"), dict) else {}
    if lifecycle.get("abortIncompleteMultipartUpload") and ("tag" in kinds or (both and both.get("tags"))):
        yield f"{place}: abortIncompleteMultipartUpload with a filter by tag; unfinished uploads have none"


@rule(LIFECYCLE, source=f"{GUIDE}lifecycle-transition-general-considerations.html")
def lifecycle_order(lifecycle: Resource) -> Iterator[str]:
    """From warm to cold, infrequent access after 30 days at the earliest, expiry after the last transition."""
    for place, value in lifecycle.known("rules[]"):
        if isinstance(value, dict):
            yield from _order(f"{place}.transitions", value.get("transitions"), "days")
            yield from _order(
                f"{place}.noncurrentVersionTransitions", value.get("noncurrentVersionTransitions"), "noncurrentDays"
            )
            yield from _expiry(place, value)


def _order(place: str, transitions: Any, key: str) -> Iterator[str]:
    steps = [each for each in transitions if isinstance(each, dict)] if isinstance(transitions, list) else []
    timed = [(number(each.get(key)), each.get("storageClass")) for each in steps]
    for days, storage in timed:
        if days is not None and (days < 0 or (storage in INFREQUENT and days < 30)):
            yield f"{place}: {storage} after {days:g} days; must be {30 if storage in INFREQUENT else 0} or more"
    known = sorted((days, CLASSES.index(storage)) for days, storage in timed if days is not None and storage in CLASSES)
    colder = [storage for _, storage in known]
    if colder != sorted(colder):
        yield f"{place} lead from {CLASSES[max(colder)]} to a warmer class; order them as {', '.join(CLASSES)}"
    for each in steps:
        if key == "days" and each.get("days") is not None and each.get("date"):
            yield f"{place} has days and date; give one of them"


def _expiry(place: str, lifecycle: dict[str, Any]) -> Iterator[str]:
    expiry = lifecycle.get("expiration")
    expiry = expiry[0] if isinstance(expiry, list) and expiry else expiry
    if isinstance(expiry, dict):
        given = [each for each in ("days", "date", "expiredObjectDeleteMarker") if expiry.get(each)]
        if len(given) > 1:
            yield f"{place}.expiration has {' and '.join(given)}; give one of them"
        end = number(expiry.get("days"))
        if end is not None and (end < 0 or (end == 0 and not given)):
            yield f"{place}.expiration.days is {end:g}; must be at least 1"
        yield from _after(place, "transitions", "days", lifecycle, "expiration.days", end)
    older = lifecycle.get("noncurrentVersionExpiration")
    if isinstance(older, dict):
        end = number(older.get("noncurrentDays"))
        if end is not None and end < 1:
            yield f"{place}.noncurrentVersionExpiration.noncurrentDays is {end:g}; must be at least 1"
        name = "noncurrentVersionExpiration.noncurrentDays"
        yield from _after(place, "noncurrentVersionTransitions", "noncurrentDays", lifecycle, name, end)
    upload = lifecycle.get("abortIncompleteMultipartUpload")
    days = number(upload.get("daysAfterInitiation")) if isinstance(upload, dict) else None
    if days is not None and days < 1:
        yield f"{place}.abortIncompleteMultipartUpload.daysAfterInitiation is {days:g}; must be at least 1"


def _after(place: str, steps: str, key: str, lifecycle: dict[str, Any], name: str, end: float | None) -> Iterator[str]:
    given = lifecycle.get(steps)
    days = [number(each.get(key)) for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    last = max((each for each in days if each is not None), default=None)
    if end and last is not None and end <= last:
        yield f"{place}.{name} is {end:g}; must be after the last of {steps}, at {last:g}"


@rule(ENCRYPTION, source=f"{API}API_ServerSideEncryptionByDefault.html")
def bucket_encryption(encryption: Resource) -> Iterator[str]:
    """A key belongs to aws:kms."""
    for place, value in encryption.known("rules[].applyServerSideEncryptionByDefault"):
        if isinstance(value, dict) and value.get("kmsMasterKeyId") and value.get("sseAlgorithm") == "AES256":
            yield f"{place} has kmsMasterKeyId with AES256; only with aws:kms: take it out"


@rule(LOCK, source=f"{API}API_DefaultRetention.html")
def object_lock(lock: Resource) -> Iterator[str]:
    """Days or years, with a mode."""
    base = "rule.defaultRetention"
    if lock.has(base):
        yield from exactly_one(lock, [f"{base}.days", f"{base}.years"])
        if not lock.has(f"{base}.mode"):
            yield f"{base}.mode is missing; give GOVERNANCE or COMPLIANCE"


@rule(VERSIONING, source=f"{GUIDE}object-lock-managing.html")
def versioning_of_a_locked_bucket(versioning: Resource, stack: Stack) -> Iterator[str]:
    """A bucket with object lock keeps its versions."""
    status = versioning.get("versioningConfiguration.status")
    if status not in ("Suspended", "Disabled"):
        return
    for bucket in stack.behind(versioning, "bucket", BUCKET):
        locked = any(bucket in stack.behind(each, "bucket", BUCKET) for each in stack.of(LOCK))
        if locked or bucket.get("objectLockEnabled") is True:
            yield f"versioningConfiguration.status is {status}; must be Enabled: {bucket.name} has object lock"


@rule(LOCK, source=f"{GUIDE}object-lock-managing.html")
def object_lock_needs_versions(lock: Resource, stack: Stack) -> Iterator[str]:
    """Object lock needs versioning, which the bucket must have."""
    for bucket in stack.behind(lock, "bucket", BUCKET):
        versioned = [each for each in stack.of(VERSIONING) if bucket in stack.behind(each, "bucket", BUCKET)]
        if not versioned and bucket.get("objectLockEnabled") is not True and not bucket.has("versioning"):
            yield f"{bucket.name} has no versioning; object lock needs it: add a BucketVersioning that is Enabled"


@rule(ACL, source=f"{GUIDE}about-object-ownership.html")
def acl_of_an_enforced_bucket(acl: Resource, stack: Stack) -> Iterator[str]:
    """No ACL where the bucket's owner owns everything, as is so by default."""
    for bucket in stack.behind(acl, "bucket", BUCKET):
        controls = [each for each in stack.of(OWNERSHIP) if bucket in stack.behind(each, "bucket", BUCKET)]
        modes = [each.get("rule.objectOwnership") for each in controls] or ["BucketOwnerEnforced"]
        if "BucketOwnerEnforced" in modes and acl.get("acl") != "private":
            yield f"acl is {acl.get('acl')}; {bucket.name} has BucketOwnerEnforced, which has no ACLs: take it out"


@rule(OBJECT, source=f"{API}API_PutObject.html")
def object_content(each: Resource) -> Iterator[str]:
    """Content from one place; a key of at most 1,024 bytes; a KMS key with aws:kms."""
    paths = ["source", "content", "contentBase64"]
    if len([path for path in paths if each.has(path)]) > 1:
        yield from exactly_one(each, paths)
    key = each.get("key")
    if isinstance(key, str) and not 1 <= len(key.encode()) <= 1024:
        yield f"key has {len(key.encode())} bytes; must be 1 to 1024"
    yield from only_with(
        each, "kmsKeyId", each.get("serverSideEncryption") != "AES256", "with serverSideEncryption aws:kms"
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
