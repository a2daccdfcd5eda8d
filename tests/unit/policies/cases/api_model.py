"""What the API's own models say."""

from infra.policies.aws_refuses.autoscaling import GROUP
from infra.policies.aws_refuses.ec2 import TEMPLATE
from infra.policies.aws_refuses.identity import FUNCTION, KEY, ROLE
from infra.policies.aws_refuses.watching import ALARM
from tests.unit.policies.cases.case import Case

CASES = [
    Case("api-model", FUNCTION, {"name": "f" * 141}, {"name": "f" * 140}),
    Case("api-model", ALARM, {"name": "a" * 256}, {"name": "a" * 255}),
    Case("api-model", ROLE, {"name": "r" * 65}, {"name": "r" * 64}),
    Case("api-model", GROUP, {"name": "g" * 256}, {"name": "g" * 255}),
    Case(
        "api-model",
        TEMPLATE,
        {"metadataOptions": {"httpTokens": "always"}},
        {"metadataOptions": {"httpTokens": "required"}},
    ),
    Case("api-model", ALARM, {"comparisonOperator": "Above"}, {"comparisonOperator": "GreaterThanThreshold"}),
    Case("api-model", KEY, {"description": "x" * 8193}, {"description": "x" * 8192}),
    Case("api-model", FUNCTION, {"functionName": "f", "memorySize": 127}, {"functionName": "f", "memorySize": 128}),
    Case("api-model", GROUP, {"warmPool": {"poolState": "Asleep"}}, {"warmPool": {"poolState": "Stopped"}}),
    Case(
        "api-model",
        TEMPLATE,
        {"instanceRequirements": {"memoryMib": {"min": 1024}}},
        {"instanceRequirements": {"memoryMib": {"min": 1024}, "vcpuCount": {"min": 2}}},
    ),
]
