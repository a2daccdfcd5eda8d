"""The excerpt of the SDK is what the installed SDK says; types beyond it are read from their classes."""

import subprocess
import sys

import pytest

from localcloud.provider import sdk_shapes
from localcloud.provider.schema import sdk_problems
from localcloud.provider.sdk_excerpt import excerpt, written

MAKE = "python -m localcloud.provider.sdk_excerpt"


def test_the_excerpt_is_that_of_the_installed_sdk():
    assert sdk_shapes.EXCERPT.read_text("utf-8") == written(excerpt()), f"the SDK or the handlers changed; run: {MAKE}"


def test_the_excerpt_stays_small():
    assert sdk_shapes.EXCERPT.stat().st_size < 100_000


def said(token: str, **inputs: object) -> list[str]:
    return [str(each) for each in sdk_problems(token, inputs)]


def test_a_type_beyond_the_excerpt_is_judged_alike():
    token = "aws:lambda/function:Function"  # whose package is lambda_, since lambda is a word of Python's
    assert said(token, role="r", memorySize=128) == []
    assert said(token, memorySize="much") == [
        "memorySize: expected a whole number, not 'much'",
        "role: missing, but required",
    ]


@pytest.mark.parametrize("token", ["aws:ec2/vcp:Vcp", "aws:ec3/vpc:Vpc", "aws:ec2/vpc:Vcp", "aws:ec2"])
def test_a_type_that_the_sdk_does_not_have_is_none(token: str):
    with pytest.raises((ImportError, AttributeError, ValueError)):
        sdk_shapes.arguments(token)


SPARING = """
import sys
from localcloud.provider import sdk_classes
from localcloud.provider.schema import sdk_problems
sdk_classes.import_sparingly()
assert not sdk_problems("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}})
print(sorted({name.partition(".")[0] for name in sys.modules} & {"pulumi", "grpc", "botocore"}))
document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}]}
assert not sdk_problems("aws:iam/policy:Policy", {"policy": "{}"})
assert not sdk_problems("aws:iam/policy:Policy", {"policy": document})
print("pulumi_aws.iam.outputs" in sys.modules, "pulumi_aws.ec2.vpc" in sys.modules)
"""


def test_a_type_of_the_excerpt_is_judged_without_the_sdk_and_another_by_its_module_alone():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SPARING], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "[]"
    assert done.stdout.splitlines()[1].endswith("False")
