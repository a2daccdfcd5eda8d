"""What groups may cost."""

from infra.policies.aws_refuses.autoscaling import GROUP
from tests.unit.policies.cases.case import Case, Props, mixed


def limited(most: int, *types: str) -> Props:
    return {**mixed(*types), "maxSize": most, "tags": [{"key": "warmfleet:max-hourly-usd", "value": "10"}]}


CASES = [
    Case("max-hourly-usd", GROUP, limited(13, "g6.xlarge"), limited(12, "g6.xlarge"), group="cost"),
    Case("unknown-price", GROUP, limited(1, "zz9.large"), limited(1, "g6.xlarge"), group="cost"),
]
