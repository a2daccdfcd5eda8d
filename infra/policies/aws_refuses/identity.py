"""IAM, KMS, SSM parameters, Lambda, and what every resource has: tags and policy documents."""

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.policies.resource import Resource, known
from infra.policies.rule import ANY, among, between, exactly_one, only_with, rule, shown

ROLE, ROLE_POLICY, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"
PROFILE = "aws:iam/instanceProfile:InstanceProfile"
KEY, ALIAS, PARAMETER = "aws:kms/key:Key", "aws:kms/alias:Alias", "aws:ssm/parameter:Parameter"
FUNCTION, SECRET = "aws:lambda/function:Function", "aws:secretsmanager/secret:Secret"

IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
KMS = "https://docs.aws.amazon.com/kms/latest/APIReference/"
SSM = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"
# Properties that hold a policy of a resource (with a principal), or of an identity (without).
RESOURCE_POLICIES = {
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queue:Queue": "policy",
    "aws:sns/topic:Topic": "policy",
    KEY: "policy",
}
IDENTITY_POLICIES = {ROLE_POLICY: "policy", POLICY: "policy"}
VERSIONS = ("2012-10-17", "2008-10-17")

LIMITS = [
    between(
        ROLE,
        "maxSessionDuration",
        3600,
        43200,
        "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html",
    ),
    between(KEY, "deletionWindowInDays", 7, 30, f"{KMS}API_ScheduleKeyDeletion.html"),
    between(KEY, "rotationPeriodInDays", 90, 2560, f"{KMS}API_EnableKeyRotation.html"),
    between(
        SECRET,
        "recoveryWindowInDays",
        7,
        30,
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html",
        or_zero=True,
    ),
    between(FUNCTION, "timeout", 1, 900, LAMBDA),
    between(FUNCTION, "memorySize", 128, 10240, LAMBDA),
    between(FUNCTION, "ephemeralStorage.size", 512, 10240, LAMBDA),
    among(PARAMETER, "type", ["String", "StringList", "SecureString"], SSM),
]


@rule(ANY, source="https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html")
def tags(resource: Resource) -> Iterator[str]:
    """At most 50, none that begins with aws:, keys to 128 and values to 256 characters."""
    given = resource.get("tags")
    pairs: list[tuple[Any, Any]] = []
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list):  # of a group
        pairs = [(each.get("key"), each.get("value")) for each in given if isinstance(each, dict)]
    if len(pairs) > 50:
        yield f"tags has {len(pairs)} members; must be at most 50"
    for key, value in pairs:
        if isinstance(key, str) and key.lower().startswith("aws:"):
            yield f"tags has {key!r}; must not begin with aws:, which is AWS's own"
        if isinstance(key, str) and not 1 <= len(key) <= 128:
            yield f"tags has a key of {len(key)} characters; must be 1 to 128"
        if isinstance(value, str) and len(value) > 256:
            yield f"tag {shown(key)} has a value of {len(value)} characters; must be at most 256"


@rule(*RESOURCE_POLICIES, source=f"{IAM}reference_policies_grammar.html")
def resource_policies(resource: Resource) -> Iterator[str]:
    """Whoever is meant stands in each statement."""
    for place, value in resource.known(RESOURCE_POLICIES[resource.type]):
        if value:
            yield from _policy(place, value, ("Principal", "NotPrincipal"), ("Resource", "NotResource"))


@rule(*IDENTITY_POLICIES, source=f"{IAM}reference_policies_grammar.html")
def identity_policies(resource: Resource) -> Iterator[str]:
    """No principal: the policy is that of a role."""
    for place, value in resource.known(IDENTITY_POLICIES[resource.type]):
        yield from _policy(place, value, (), ("Resource", "NotResource"))


@rule(ROLE, source=f"{IAM}reference_policies_grammar.html")
def trust_policies(role: Resource) -> Iterator[str]:
    """Who takes on the role, without a resource."""
    for place, value in role.known("assumeRolePolicy"):
        yield from _policy(place, value, ("Principal", "NotPrincipal"), ())


def _policy(place: str, value: Any, who: tuple[str, ...], what: tuple[str, ...]) -> Iterator[str]:
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.get("Statement"):
        yield f"{place} is {shown(value)}; must be a JSON object with Statement"
        return
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        yield f"{place} has Version {document['Version']!r}; must be {VERSIONS[0]}"
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    sids = [each.get("Sid") for each in statements if isinstance(each, dict) and each.get("Sid")]
    if len(set(sids)) != len(sids):
        yield f"{place} has a Sid twice; give each statement its own"
    for number_, each in enumerate(statements):
        if isinstance(each, dict):
            yield from _statement(f"{place}.Statement[{number_}]", each, who, what)


def _statement(place: str, each: dict[str, Any], who: tuple[str, ...], what: tuple[str, ...]) -> Iterator[str]:
    if each.get("Effect") not in ("Allow", "Deny"):
        yield f"{place}.Effect is {each.get('Effect')!r}; must be Allow or Deny"
    wanted = [("Action", "NotAction"), *([who] if who else []), *([what] if what else [])]
    for names in wanted:
        if len([name for name in names if name in each]) != 1:
            yield f"{place} must have exactly one of {' and '.join(names)}"
    refused = [
        name
        for name, kind in (("Principal", who), ("NotPrincipal", who), ("Resource", what))
        if not kind and name in each
    ]
    for name in refused:
        whose = "a trust policy" if name == "Resource" else "a policy of an identity"
        yield f"{place} has {name}; take it out: {whose} has none"
    actions = each.get("Action", [])
    for action in [actions] if isinstance(actions, str) else actions if isinstance(actions, list) else []:
        if isinstance(action, str) and action != "*" and not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9*?]+", action):
            yield f"{place}.Action has {shown(action)}; must be service:Action"


@rule(ROLE_POLICY, POLICY, source=f"{IAM}reference_iam-quotas.html")
def policy_sizes(resource: Resource) -> Iterator[str]:
    """10,240 characters in a role, 6,144 in a managed policy, blanks not counted."""
    most = 10240 if resource.type == ROLE_POLICY else 6144
    value = resource.get("policy")
    if isinstance(value, str) and (size := len(re.sub(r"\s", "", value))) > most:
        yield f"policy has {size} characters; must be at most {most}: split it"


@rule(ROLE, PROFILE, POLICY, ROLE_POLICY, source=f"{IAM}reference_iam-quotas.html")
def iam_names(resource: Resource) -> Iterator[str]:
    """1 to 64 characters for a role, 128 for the others, of [\\w+=,.@-]; a path between slashes."""
    most = 64 if resource.type == ROLE else 128
    for place, name in resource.known("name"):
        if isinstance(name, str) and not re.fullmatch(rf"[\w+=,.@-]{{1,{most}}}", name):
            yield f"{place} is {shown(name)}; must be 1 to {most} of letters, digits and +=,.@-_"
    for place, path in resource.known("path"):
        if isinstance(path, str) and not re.fullmatch(r"/|/[!-~]{1,510}/", path):
            yield f"{place} is {shown(path)}; must begin and end with /"


@rule(KEY, source=f"{KMS}API_CreateKey.html")
def key_rotation(key: Resource) -> Iterator[str]:
    """Only symmetric keys rotate; each use has its kinds of key."""
    spec, usage = key.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT"), key.get("keyUsage", "ENCRYPT_DECRYPT")
    if key.get("enableKeyRotation") is True and known(spec) and spec != "SYMMETRIC_DEFAULT":
        yield f"enableKeyRotation with customerMasterKeySpec {spec}; must be SYMMETRIC_DEFAULT"
    if spec == "SYMMETRIC_DEFAULT" and usage not in ("ENCRYPT_DECRYPT",):
        yield f"keyUsage is {usage} with SYMMETRIC_DEFAULT; must be ENCRYPT_DECRYPT"
    yield from only_with(key, "rotationPeriodInDays", key.get("enableKeyRotation") is True, "with enableKeyRotation")


@rule(ALIAS, source=f"{KMS}API_CreateAlias.html")
def key_alias(alias: Resource) -> Iterator[str]:
    """alias/ and a name that is not AWS's."""
    name = alias.get("name")
    if isinstance(name, str) and (
        not re.fullmatch(r"alias/[a-zA-Z0-9/_-]{1,250}", name) or name.startswith("alias/aws/")
    ):
        yield f"name is {shown(name)}; must be alias/ and 1 to 250 of a-z, A-Z, 0-9, /, _ and -, not alias/aws/…"


@rule(PARAMETER, source=SSM)
def parameter_name(parameter: Resource) -> Iterator[str]:
    """No name that begins with aws or ssm; a hierarchy of at most 15 levels."""
    name = parameter.get("name")
    if not isinstance(name, str):
        return
    if not re.fullmatch(r"[a-zA-Z0-9_.\-/]{1,1011}", name) or re.match(r"/?(aws|ssm)", name, re.IGNORECASE):
        yield f"name is {shown(name)}; must be of a-z, A-Z, 0-9, _ . - and /, not beginning with aws or ssm"
    if name.count("/") > 15:
        yield f"name has {name.count('/')} levels; must be at most 15"
    if "/" in name and not name.startswith("/"):
        yield f"name is {shown(name)}; with levels it must begin with /"


@rule(PARAMETER, source=SSM)
def parameter_value(parameter: Resource) -> Iterator[str]:
    """4 KiB, 8 KiB in the advanced tier; a key for secrets alone; something that matches its pattern."""
    most = 4096 if parameter.get("tier", "Standard") == "Standard" else 8192
    for path in ("value", "insecureValue", "valueWo"):
        value = parameter.get(path)
        if isinstance(value, str) and len(value.encode()) > most:
            yield f"{path} has {len(value.encode())} bytes; must be at most {most}; tier Advanced has 8192"
        pattern = parameter.get("allowedPattern")
        if isinstance(value, str) and isinstance(pattern, str) and pattern and not re.search(pattern, value):
            yield f"{path} does not match allowedPattern {pattern!r}"
    kind = parameter.get("type")
    yield from only_with(parameter, "keyId", kind in (None, "SecureString"), f"with type SecureString, not {kind}")


@rule(FUNCTION, source=LAMBDA)
def functions(function: Resource) -> Iterator[str]:
    """A container image, or a zip with handler and runtime."""
    if function.get("packageType", "Zip") == "Image":
        for path in ("handler", "runtime", "layers"):
            yield from only_with(function, path, False, "with packageType Zip")
        if not function.has("imageUri"):
            yield "packageType is Image without imageUri; give it"
    else:
        for path in ("handler", "runtime"):
            if not function.has(path):
                yield f"{path} is missing for packageType Zip; give it"
        yield from exactly_one(function, ["code", "s3Bucket"])
    name = function.get("name")
    if isinstance(name, str) and len(name) > 64 and not name.startswith("arn:"):
        yield f"name has {len(name)} characters; must be at most 64"
    layers = list(function.known("layers[]"))
    if len(layers) > 5:
        yield f"layers has {len(layers)} members; must be at most 5"
    variables = function.get("environment.variables")
    if isinstance(variables, dict):
        size = sum(len(str(key)) + len(str(value)) for key, value in variables.items())
        if size > 4096:
            yield f"environment.variables have {size} bytes; must be at most 4096"
        for key in variables:
            if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", key) or key.startswith("AWS_LAMBDA_"):
                yield f"environment.variables has {key!r}; must begin with a letter, then letters, digits and _"
