"""`warmfleet image build` against EC2: what the builder is, what it says, and that it is gone however it ends."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from inference_service import contract
from infra.stack import UBUNTU
from infra.user_data import BAKED, BAKING_FAILED, Boot, render
from localcloud.aws.in_process import LocalAws, local_aws
from scripts.exit_codes import CommandError
from scripts.images.building import Building
from scripts.images.recipe import NEEDED, Recipe, read_recipe
from scripts.progress import Steps
from scripts.stack_outputs import FleetOutputs, StackOutputs

VERSION = "ab" * 32
OUTPUTS = StackOutputs("us-east-1", "test", "models-1", "http://g", "gateways", VERSION, ())
FLEET = FleetOutputs("small", "small-spot", None, 1)
VARIABLES = {**dict.fromkeys(NEEDED, "x"), contract.VAR_SERVICE_VERSION: VERSION, contract.VAR_ENGINE: "llama.cpp"}
NODES = {**VARIABLES, contract.VAR_BUCKET: "models-1", contract.VAR_NODE_TOKEN_PARAMETER: "a-secrets-name"}


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    with local_aws("127.11", consoles=tmp_path) as served:
        yield served


@pytest.fixture
def recipe(aws: LocalAws) -> Recipe:
    """Of a fleet in two subnets that takes two types."""
    ec2 = aws.client("ec2")
    aws.client("iam").create_instance_profile(InstanceProfileName="node")
    zones = ec2.describe_subnets()["Subnets"][:2]
    data = {
        "ImageId": "ami-1",
        "InstanceType": "c7i.xlarge",
        "IamInstanceProfile": {"Name": "node"},
        "UserData": base64.b64encode(render(Boot(contract.ROLE_NODE, NODES)).encode()).decode(),
    }
    template = ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=data)["LaunchTemplate"]
    given = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"}
    types = [{"InstanceType": each} for each in ("c7i.xlarge", "m7i.xlarge")]
    aws.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="small-spot",
        MinSize=0,
        MaxSize=2,
        VPCZoneIdentifier=",".join(each["SubnetId"] for each in zones),
        MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": given, "Overrides": types}},
    )
    return read_recipe(aws, OUTPUTS, FLEET)  # type: ignore[arg-type]  # has `client`, as Aws does


@dataclass
class Builder:
    """Plays the builder while the command waits: tells what it says on its console, then powers off, or does not."""

    aws: LocalAws
    consoles: Path
    said: str
    then: Callable[[Any, str], object] = lambda ec2, instance_id: ec2.stop_instances(InstanceIds=[instance_id])
    now: float = 0.0
    while_it_ran: dict[str, Any] = field(default_factory=dict)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 100 * seconds
        self.aws.tick()
        for each in alive(self.aws):
            (self.consoles / each).mkdir(exist_ok=True)
            (self.consoles / each / "stdout.log").write_text(self.said)
            self.while_it_ran = builders(self.aws)[-1]
            self.then(self.aws.client("ec2"), each)


def build(aws: LocalAws, recipe: Recipe, builder: Builder, ec2: Any = None) -> Building:
    return Building(ec2 or aws.client("ec2"), recipe, Steps(io.StringIO()), builder.clock, builder.sleep, token="t1")


def builders(aws: LocalAws) -> list[dict[str, Any]]:
    asked = [{"Name": f"tag:{contract.TAG_IMAGE_BUILDER}", "Values": ["t1"]}]
    found = aws.client("ec2").describe_instances(Filters=asked)["Reservations"]
    return [each for reservation in found for each in reservation["Instances"]]


def alive(aws: LocalAws) -> list[str]:
    return [each["InstanceId"] for each in builders(aws) if each["State"]["Name"] == "running"]


def images(aws: LocalAws) -> list[dict[str, Any]]:
    return list(aws.client("ec2").describe_images(Owners=["self"])["Images"])


def test_a_builder_knows_what_it_needs_and_nothing_else_of_a_node(recipe: Recipe, aws: LocalAws) -> None:
    newest = aws.client("ssm").get_parameter(Name=UBUNTU)["Parameter"]["Value"]
    assert (recipe.source_image, recipe.version, recipe.types) == (newest, "1", ("c7i.xlarge", "m7i.xlarge"))
    assert (recipe.service_version, len(recipe.subnets)) == (VERSION, 2)
    assert "models-1" in recipe.user_data
    assert "a-secrets-name" not in recipe.user_data


def test_an_image_is_made_of_a_builder_that_baked_and_the_builder_is_gone(
    aws: LocalAws, recipe: Recipe, tmp_path: Path
) -> None:
    played = Builder(aws, tmp_path, f"TASK [Configure]\n{BAKED} {VERSION}\n")
    image_id = build(aws, recipe, played).run()
    (image,) = images(aws)
    assert (image["ImageId"], image["State"]) == (image_id, "available")
    tags = {each["Key"]: each["Value"] for each in image["Tags"]}
    assert (
        {name: tags[name] for name in recipe.tags()}
        == recipe.tags()
        == {
            contract.TAG_ENVIRONMENT: "test",
            contract.TAG_MODEL: "small",
            contract.TAG_SERVICE_VERSION: VERSION,
            contract.TAG_SOURCE_IMAGE: recipe.source_image,
        }
    )
    (builder,) = builders(aws)
    assert builder["State"]["Name"] == "terminated"
    assert (builder["ImageId"], builder["InstanceType"]) == (recipe.source_image, "c7i.xlarge")
    assert builder["SubnetId"] == recipe.subnets[0]
    assert builder["MetadataOptions"]["HttpTokens"] == "required"
    named = {each["Key"] for each in builder["Tags"]}
    assert contract.TAG_ROLE not in named  # else gateways would ask it for answers
    assert played.while_it_ran["IamInstanceProfile"]["Arn"].endswith("/node")


def lingers(ec2: Any, instance_id: str) -> None:
    """It goes on running."""


def is_ended(ec2: Any, instance_id: str) -> None:
    ec2.terminate_instances(InstanceIds=[instance_id])


@pytest.mark.parametrize(
    ("said", "then", "message"),
    [
        (f"fatal: no wheel\n{BAKING_FAILED} {VERSION}\n", None, "could not bake; .*\n.*fatal: no wheel"),
        (f"{BAKED} {'cd' * 32}\n", None, "has stopped without a word in 600 s"),  # of another bundle
        ("TASK [Install]\n", None, "has stopped without a word in 600 s; .*\n.*TASK .Install"),
        ("TASK [Install]\n", lingers, "has not finished in 4200 s"),
        ("TASK [Install]\n", is_ended, "was ended .terminated"),
    ],
)
def test_a_builder_that_does_not_bake_is_gone_and_its_console_is_told(
    aws: LocalAws, recipe: Recipe, tmp_path: Path, said: str, then: Any, message: str
) -> None:
    builder = Builder(aws, tmp_path, said, then) if then else Builder(aws, tmp_path, said)
    with pytest.raises(CommandError, match=message):
        build(aws, recipe, builder).run()
    assert images(aws) == []
    assert [each["State"]["Name"] for each in builders(aws)] == ["terminated"]


def interrupts(ec2: Any, instance_id: str) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_while_it_bakes_leaves_no_builder(aws: LocalAws, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(aws, recipe, Builder(aws, tmp_path, "", interrupts)).run()
    assert [each["State"]["Name"] for each in builders(aws)] == ["terminated"]


class Ec2:
    """EC2, with one of its actions in another way."""

    def __init__(self, ec2: Any, **changed: Any) -> None:
        self._ec2, self._changed = ec2, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed.get(name) or getattr(self._ec2, name)


def test_ctrl_c_in_the_very_launch_leaves_no_builder(aws: LocalAws, recipe: Recipe, tmp_path: Path) -> None:
    def launched_and_interrupted(**request: Any) -> None:
        aws.client("ec2").run_instances(**request)
        raise KeyboardInterrupt

    ec2 = Ec2(aws.client("ec2"), run_instances=launched_and_interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(aws, recipe, Builder(aws, tmp_path, ""), ec2).run()
    assert [each["State"]["Name"] for each in builders(aws)] == ["terminated"]


def test_a_second_ctrl_c_while_the_builder_is_ended_leaves_none_either(
    aws: LocalAws, recipe: Recipe, tmp_path: Path
) -> None:
    pressed = iter([True])

    def interrupted_once(**request: Any) -> Any:
        if next(pressed, False):
            raise KeyboardInterrupt
        return aws.client("ec2").terminate_instances(**request)

    ec2 = Ec2(aws.client("ec2"), terminate_instances=interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        build(aws, recipe, Builder(aws, tmp_path, "", interrupts), ec2).run()
    assert [each["State"]["Name"] for each in builders(aws)] == ["terminated"]


def test_ctrl_c_before_the_image_is_available_leaves_no_image(aws: LocalAws, recipe: Recipe, tmp_path: Path) -> None:
    def made_and_interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    ec2 = Ec2(aws.client("ec2"), describe_images=made_and_interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(aws, recipe, Builder(aws, tmp_path, f"{BAKED} {VERSION}"), ec2).run()
    assert images(aws) == []
    assert [each["State"]["Name"] for each in builders(aws)] == ["terminated"]


def test_the_next_type_and_zone_are_tried_where_capacity_is_missing(
    aws: LocalAws, recipe: Recipe, tmp_path: Path
) -> None:
    from botocore.exceptions import ClientError

    asked = list[tuple[str, str]]()

    def only_the_last(**request: Any) -> Any:
        asked.append((request["InstanceType"], request["SubnetId"]))
        if len(asked) < 4:
            raise ClientError({"Error": {"Code": "InsufficientInstanceCapacity", "Message": "none"}}, "RunInstances")
        return aws.client("ec2").run_instances(**request)

    ec2 = Ec2(aws.client("ec2"), run_instances=only_the_last)
    build(aws, recipe, Builder(aws, tmp_path, f"{BAKED} {VERSION}"), ec2).run()
    assert asked == [(each, subnet) for each in recipe.types for subnet in recipe.subnets]

    asked[:] = []
    fewer = replace(recipe, types=recipe.types[:1])
    with pytest.raises(
        CommandError, match=r"no on-demand capacity for a builder \(c7i.xlarge in subnet-.*InsufficientI"
    ):
        build(aws, fewer, Builder(aws, tmp_path, ""), ec2).run()
