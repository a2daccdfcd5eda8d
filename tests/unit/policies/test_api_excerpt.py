"""The excerpt of botocore's models is what the installed botocore says, and all that the rule reads."""

import subprocess
import sys

import pytest

from infra.policies.api_excerpt import excerpt, written
from infra.policies.api_operations import NESTED, OPERATIONS
from infra.policies.api_shapes import EXCERPT, Shape, input_of

MAKE = "python -m infra.policies.api_excerpt"


def test_the_excerpt_is_that_of_the_installed_models() -> None:
    assert EXCERPT.read_text("utf-8") == written(excerpt()), f"botocore has changed; run: {MAKE}"


def test_the_excerpt_stays_small() -> None:
    assert EXCERPT.stat().st_size < 150_000


@pytest.mark.parametrize("token", OPERATIONS)
def test_every_shape_behind_a_resource_is_there(token: str) -> None:
    waiting: list[Shape | None] = [input_of(OPERATIONS[token]), *map(input_of, NESTED.get(token, {}).values())]
    seen = set()
    while waiting:
        shape = waiting.pop()
        if shape is not None and shape not in seen:
            seen.add(shape)
            assert shape.kind in ("structure", "list", "string", "number")
            if shape.kind == "structure":
                waiting += map(shape.member, shape.member_names.values())
            waiting += [shape.each] if shape.kind == "list" else []
    assert seen


def test_the_rules_load_neither_botocore_nor_pulumi() -> None:
    """They start in a fraction of a second, in little memory."""
    program = """
import sys
from infra.policies.resource import Resource
from infra.policies.rule import findings
from infra.policies.rules import every_rule
found = findings(every_rule(), [Resource("aws:iam/role:Role", "r", {"name": "r" * 65})])
assert any(each.rule == "aws_refuses/api-model" for each in found)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"botocore", "boto3", "pulumi", "pulumi_aws", "grpc"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
