"""Which images there are, and which one may become what new nodes boot; against EC2 and SSM."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from inference_service import contract
from infra.settings import Model
from localcloud.aws.in_process import LocalAws
from scripts.exit_codes import CommandError
from scripts.images.catalogue import Image, read_images
from scripts.images.promotion import Stack, find_image, promote

PARAMETER = "/warmfleet/test/small/image"
SMALL = Model(name="small", engine="llama.cpp", instance_types=("c7i.xlarge",), image_parameter=PARAMETER)
STACK = Stack("test", "Pulumi.test.yaml", "test", [SMALL])
TAGS = {
    contract.TAG_ENVIRONMENT: "test",
    contract.TAG_MODEL: "small",
    contract.TAG_SERVICE_VERSION: "ab" * 32,
    contract.TAG_SOURCE_IMAGE: "ami-00000000000002404",
}


def made(aws: LocalAws, **changed: str | None) -> str:
    """An image with the tags of a build, but for some of them, by the last word of their names."""
    ec2 = aws.client("ec2")
    tags = {key: changed.get(key.rpartition(":")[2].replace("-", "_"), value) for key, value in TAGS.items()}
    instance_id = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    aws.tick()
    ec2.stop_instances(InstanceIds=[instance_id])
    pairs = [{"Key": key, "Value": value} for key, value in tags.items() if value]
    specifications = [{"ResourceType": "image", "Tags": pairs}] if pairs else []
    image_id = ec2.create_image(InstanceId=instance_id, Name="mine", TagSpecifications=specifications)["ImageId"]
    aws.tick()
    return str(image_id)


def value(aws: LocalAws) -> str | None:
    try:
        return str(aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"])
    except ClientError:
        return None


def promoted(aws: Any, image_id: str, stack: Stack = STACK) -> Any:
    return promote(aws, find_image(aws, image_id), stack)


def listed(aws: Any, stack: Stack = STACK) -> list[Image]:
    return read_images(aws, stack.environment, stack.models)


def test_promotion_writes_what_the_launch_template_reads_and_the_same_again_writes_nothing(aws: LocalAws) -> None:
    first, second = made(aws), made(aws)
    assert promoted(aws, first).before is None
    assert value(aws) == first
    assert promoted(aws, second).before == first
    assert promoted(aws, second).before == second
    assert aws.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Version"] == 2


def test_the_list_has_the_images_of_the_environment_and_says_which_one_is_promoted(aws: LocalAws) -> None:
    made(aws, environment="other")
    made(aws, service_version=None)  # somebody's own
    first, second = made(aws), made(aws)
    promoted(aws, first)
    found = {each.image_id: each for each in listed(aws)}
    assert {name: each.promoted for name, each in found.items()} == {first: True, second: False}
    image = found[first]
    assert (image.model, image.state, image.service_version) == ("small", "available", "ab" * 32)
    assert 0 <= image.age_seconds(datetime.now(UTC)) < 600
    assert [each.promoted for each in listed(aws, replace(STACK, models=[]))] == [False, False]


@pytest.mark.parametrize(
    ("changed", "stack", "said"),
    [
        ({"service_version": None}, STACK, "was not made by `warmfleet image build`"),
        ({"environment": "prod"}, STACK, "is of environment prod, and stack test is test: build one with"),
        ({"model": "gone"}, STACK, "is of model gone; Pulumi.test.yaml has small"),
        (
            {},
            replace(STACK, models=[SMALL.model_copy(update={"image_parameter": ""})]),
            "reads no parameter of yours; give it in Pulumi.test.yaml `image_parameter: /warmfleet/test/small/image`",
        ),
        (
            {},
            replace(STACK, models=[SMALL.model_copy(update={"image_parameter": "/aws/service/x"})]),
            "reads AWS's own /aws/service/x",
        ),
        (
            {},
            replace(STACK, models=[SMALL.model_copy(update={"instance_types": ("c7i.xlarge", "c7g.xlarge")})]),
            r"is for x86_64; of model small it does not fit c7g.xlarge \(arm64\)",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_refused_and_nothing_is_written(
    aws: LocalAws, changed: dict[str, str | None], stack: Stack, said: str
) -> None:
    image_id = made(aws, **changed)
    with pytest.raises(CommandError, match=f"{said}.*") as refused:
        promoted(aws, image_id, stack)
    assert "promote again" in str(refused.value) or "nothing was changed" in str(refused.value)
    assert value(aws) is None


def test_an_image_that_is_not_available_is_refused(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws.cloud, "hosts", object())  # then nobody copies its disk here
    image_id = made(aws)
    with pytest.raises(CommandError, match=f"{image_id} is pending, not available; nothing was changed"):
        promoted(aws, image_id)
    with pytest.raises(CommandError, match="there is no image ami-0123456789abcdef0 in this region"):
        find_image(aws, "ami-0123456789abcdef0")  # type: ignore[arg-type]
    assert value(aws) is None
