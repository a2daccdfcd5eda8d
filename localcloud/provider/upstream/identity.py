"""IAM, KMS, SSM parameters. The provider wants JSON of a policy; that it is a policy, AWS says."""

from localcloud.provider.upstream.checks import Check, ExactlyOne, Needs, Value
from localcloud.provider.upstream.forms import (
    ARN,
    IDENTITY_POLICY,
    JSON,
    Form,
    between,
    length,
    matching,
    name,
    one_of,
)

_VALUES = ("valueWo", "insecureValue", "value")


def _iam_name(most: int) -> Form:
    return name(most, r"\w+=,.@-", "letters, digits and _+=,.@-")


ROLE: tuple[Check, ...] = (
    Value("assumeRolePolicy", JSON),
    Value("description", length(0, 1000)),
    Value(
        "description",
        matching(r"[^\u201c\u2018]*", "text without curly quotation marks", ("a role",), ("a \u201crole\u201d",)),
    ),
    Value("maxSessionDuration", between(3600, 43200)),
    Value("name", _iam_name(64)),
    Value("path", length(0, 512)),
    Value("permissionsBoundary", ARN),
)
ROLE_POLICY: tuple[Check, ...] = (
    Value("name", _iam_name(128)),
    Value("policy", IDENTITY_POLICY),
    Value("role", length(1, 128)),
    Value("role", matching("(?s)(?!arn:).*", "the role's name, not its ARN", ("node",), ("arn:aws:iam::1:role/node",))),
)
KEY: tuple[Check, ...] = (
    Needs("rotationPeriodInDays", "enableKeyRotation"),
    Value("deletionWindowInDays", between(7, 30)),
    Value("description", length(0, 8192)),
    Value("policy", JSON),
    Value("rotationPeriodInDays", between(90, 2560)),
)
ALIAS: tuple[Check, ...] = (
    Value(
        "name",
        matching(
            "alias/(?!aws/)[0-9A-Za-z_/-]+",
            "alias/ and letters, digits, _, / and -, not alias/aws/",
            ("alias/models",),
            ("models", "alias/aws/s3", "alias/my key"),
        ),
    ),
)
PARAMETER: tuple[Check, ...] = (
    ExactlyOne(_VALUES),
    Needs("valueWo", "valueWoVersion"),
    Needs("valueWoVersion", "valueWo"),
    Value("description", length(0, 1024)),
    Value("name", length(1, 2048)),
    Value("tier", one_of("Standard", "Advanced", "Intelligent-Tiering")),
    Value("type", one_of("String", "StringList", "SecureString")),
)
TABLE: dict[str, tuple[str, tuple[Check, ...]]] = {
    "aws:iam/role:Role": ("iam/role.go", ROLE),
    "aws:iam/rolePolicy:RolePolicy": ("iam/role_policy.go", ROLE_POLICY),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        "iam/role_policy_attachment.go",
        (Value("policyArn", ARN),),
    ),
    "aws:iam/instanceProfile:InstanceProfile": ("iam/instance_profile.go", (Value("name", _iam_name(128)),)),
    "aws:kms/key:Key": ("kms/key.go", KEY),
    "aws:kms/alias:Alias": ("kms/alias.go", ALIAS),
    "aws:ssm/parameter:Parameter": ("ssm/parameter.go", PARAMETER),
}
