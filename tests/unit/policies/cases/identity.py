"""IAM, KMS, parameters, functions; tags."""

from infra.policies.aws_refuses.autoscaling import GROUP
from infra.policies.aws_refuses.identity import ALIAS, FUNCTION, KEY, PARAMETER, POLICY, ROLE, ROLE_POLICY
from infra.policies.aws_refuses.messages import QUEUE
from infra.policies.aws_refuses.vpc import VPC
from infra.policies.resource import UNKNOWN
from tests.unit.policies.cases.case import EVERYBODY, Case, statement

CASES = [
    Case("tags", ROLE, {"tags": {"aws:owner": "me"}}, {"tags": {"owner": "me"}}),
    Case("tags", VPC, {"tags": {str(n): "" for n in range(51)}}, {"tags": {str(n): "" for n in range(50)}}),
    Case("tags", GROUP, {"tags": [{"key": "k" * 129, "value": ""}]}, {"tags": [{"key": "k" * 128, "value": ""}]}),
    Case("resource-policies", QUEUE, {"policy": statement(Resource="*")}, {"policy": statement(**EVERYBODY)}),
    Case("resource-policies", KEY, {"policy": "{"}, {"policy": UNKNOWN}),
    Case("identity-policies", ROLE_POLICY, {"policy": statement(**EVERYBODY)}, {"policy": statement(Resource="*")}),
    Case(
        "identity-policies",
        POLICY,
        {"policy": statement(Resource="*", Action="GetObject")},
        {"policy": statement(Resource="*")},
    ),
    Case(
        "trust-policies",
        ROLE,
        {"assumeRolePolicy": statement(**EVERYBODY, Action="sts:AssumeRole")},
        {"assumeRolePolicy": statement(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")},
    ),
    Case(
        "policy-sizes",
        POLICY,
        {"policy": statement(Resource="a" * 6144)},
        {"policy": statement(Resource="a" * 6000)},
    ),
    Case("iam-names", ROLE, {"name": "r" * 65}, {"name": "r" * 64}),
    Case("iam-names", POLICY, {"path": "/ops"}, {"path": "/ops/"}),
    Case(
        "key-rotation",
        KEY,
        {"enableKeyRotation": True, "customerMasterKeySpec": "RSA_2048"},
        {"enableKeyRotation": True, "customerMasterKeySpec": "SYMMETRIC_DEFAULT"},
    ),
    Case("key-alias", ALIAS, {"name": "alias/aws/ours"}, {"name": "alias/ours"}),
    Case("parameter-name", PARAMETER, {"name": "/aws/ours"}, {"name": "/ours/aws"}),
    Case("parameter-name", PARAMETER, {"name": "a/b"}, {"name": "/a/b"}),
    Case("parameter-value", PARAMETER, {"value": "x" * 4097}, {"value": "x" * 4096}),
    Case(
        "parameter-value",
        PARAMETER,
        {"type": "String", "keyId": UNKNOWN},
        {"type": "SecureString", "keyId": UNKNOWN},
    ),
    Case(
        "functions",
        FUNCTION,
        {"handler": "h.h", "code": UNKNOWN},
        {"handler": "h.h", "code": UNKNOWN, "runtime": "python3.13"},
    ),
]
