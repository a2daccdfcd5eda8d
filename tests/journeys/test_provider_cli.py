"""The real Pulumi CLI with the stand-in provider and language host, from a first preview to nothing left."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.cloud_state import CloudState
from localcloud.environment import pulumi_environment
from scripts import pulumi_cli
from tests.real_cli import MARK, ROOT, SECONDS, CliStack, eventually, provider

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]  # a first run on this machine builds the CLI
SECRET = "bm90LWZvci10aGUtc3RhdGUtZmlsZQ=="  # user data is base64
PROGRAM = """
import json, pathlib, pulumi, pulumi_aws as aws
here = pathlib.Path(__file__).parent
config = pulumi.Config()
vpc = aws.ec2.Vpc("net", cidr_block="10.0.0.0/16", tags={"owner": config.get("owner") or "test"})
subnet = aws.ec2.Subnet("a", vpc_id=vpc.id, cidr_block=config.get("range") or "10.0.1.0/24")
group = aws.ec2.SecurityGroup("nodes", vpc_id=vpc.id)
aws.vpc.SecurityGroupEgressRule("out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0")
bucket = aws.s3.Bucket("models", force_destroy=True)
aws.s3.BucketVersioning("versions", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
aws.s3.BucketObjectv2("bundle", bucket=bucket.id, key="bundle", source=pulumi.FileAsset(str(here / "bundle.txt")))
trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
role = aws.iam.Role("node", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
allowed = aws.iam.get_policy_document_output(statements=[{"actions": ["s3:GetObject"], "resources": [bucket.arn]}])
aws.iam.RolePolicy("read", role=role.name, policy=allowed.json)
template = aws.ec2.LaunchTemplate("node", image_id="ami-12c6146b", instance_type="t3.micro",
    vpc_security_group_ids=[group.id], user_data=config.get_secret("user_data"))
fleet = aws.autoscaling.Group("fleet", min_size=0, max_size=2, desired_capacity=int(config.get("nodes") or 0),
    vpc_zone_identifiers=[subnet.id], wait_for_capacity_timeout=config.get("wait") or "0",
    launch_template={"id": template.id, "version": template.latest_version.apply(str)})
if not config.get_bool("without_hook"):
    aws.autoscaling.LifecycleHook("launching", autoscaling_group_name=fleet.name, heartbeat_timeout=600,
        lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING", default_result="ABANDON")
pulumi.export("bucket", bucket.bucket)
pulumi.export("vpc", vpc.id)
"""

# Inputs as the program might send them past the SDK's own signatures.
RAW = """
import pulumi, pulumi_aws as aws
class Raw(pulumi.CustomResource):
    def __init__(self, token, name, **properties):
        super().__init__(token, name, properties)
"""


class Stack(CliStack):
    """One stack of one checkout."""

    def write(self, program: str) -> None:
        (self.folder / "__main__.py").write_text(program)

    def config(self, **settings: str) -> None:
        kinds = {name: "--secret" if value == SECRET else "--plaintext" for name, value in settings.items()}
        given = [part for name, kind in kinds.items() for part in (kind, f"{name}={settings[name]}")]
        self.run("config", "set-all", *given)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAws, CloudState, Path]]:
    """One local AWS and one provider for all stacks of this file: each test has a stack of its own."""
    root = tmp_path_factory.mktemp("checkout")
    backend = root / ".warmfleet" / "pulumi"
    backend.mkdir(parents=True)
    with local_aws() as aws, provider(aws.url, backend) as port:
        yield aws, CloudState("run", os.getpid(), 0, aws.url, port, "127.0", "us-east-1"), root


@pytest.fixture
def stack(cloud: tuple[LocalAws, CloudState, Path], request: pytest.FixtureRequest) -> Iterator[Stack]:
    aws, state, root = cloud
    cli = pulumi_cli.ensure(ROOT, report=print)
    project = re.sub("[^a-z0-9]+", "-", request.node.name.lower())
    folder = root / project
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
    (folder / "bundle.txt").write_text("one")
    environ = pulumi_environment(state, root, os.environ, cli.parent) | {MARK: project}
    made = Stack(folder, environ, cli, aws)
    made.write(PROGRAM)
    made.run("stack", "init", "local")
    yield made
    for each in made.processes():
        each.kill()


def test_a_stack_from_its_preview_to_its_end(stack: Stack) -> None:
    ec2, s3 = stack.aws.client("ec2"), stack.aws.client("s3")
    before = len(ec2.describe_vpcs()["Vpcs"])
    stack.config(user_data=SECRET)
    assert "+ 13 to create" in stack.run("preview")
    assert len(ec2.describe_vpcs()["Vpcs"]) == before

    stack.up()
    stack.up("--expect-no-changes")
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    assert not any(SECRET in path.read_text() for path in stack.folder.parent.rglob("*.json"))

    made = stack.resources()
    bucket = made["aws:s3/bucket:Bucket::models"]["id"]
    subnet = made["aws:ec2/subnet:Subnet::a"]["id"]
    # In one update: a changed tag and file, a subnet that has to be replaced, a hook that is taken out.
    stack.config(owner="another", range="10.0.2.0/24", without_hook="true")
    (stack.folder / "bundle.txt").write_text("two")
    said = stack.up()
    assert "1 deleted" in said
    assert "replaced" in said
    assert s3.get_object(Bucket=bucket, Key="bundle")["Body"].read() == b"two"
    now = stack.resources()
    assert now["aws:ec2/vpc:Vpc::net"]["outputs"]["tags"] == {"owner": "another"}
    assert now["aws:ec2/vpc:Vpc::net"]["id"] == made["aws:ec2/vpc:Vpc::net"]["id"]
    assert now["aws:ec2/subnet:Subnet::a"]["id"] != subnet

    # Behind Pulumi's back: refresh sees it, the next up makes it good.
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    ec2.delete_tags(Resources=[now["aws:ec2/vpc:Vpc::net"]["id"]], Tags=[{"Key": "owner"}])
    stack.aws.client("iam").delete_role_policy(**_policy(now["aws:iam/rolePolicy:RolePolicy::read"]))
    stack.run("refresh", "--yes", "--skip-preview")
    assert "aws:iam/rolePolicy:RolePolicy::read" not in stack.resources()
    said = stack.up()
    assert "1 created" in said
    assert "2 updated" in said

    stack.run("destroy", "--yes", "--skip-preview")
    assert stack.resources() == {}
    assert len(ec2.describe_vpcs()["Vpcs"]) == before
    assert bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert stack.processes() == []


def _policy(resource: Any) -> dict[str, str]:
    role, _, name = resource["id"].partition(":")
    return {"RoleName": role, "PolicyName": name}


def test_wrong_inputs_and_unknown_types_are_named_all_at_once(stack: Stack) -> None:
    stack.write(f"""{RAW}
Raw("aws:ec2/vpc:Vpc", "net", cidrBlok="10.0.0.0/16", enableDnsSupport="perhaps", ipv6CidrBlock="::/56")
""")
    said = stack.run("preview", fails=True)
    assert "cidrBlok: pulumi_aws has no such property (VpcArgs); did you mean cidrBlock?" in said
    assert "enableDnsSupport: expected a boolean, not 'perhaps'" in said
    assert "ipv6CidrBlock: the local cloud's aws:ec2/vpc:Vpc does not know this property" in said
    stack.write(f"""{RAW}
Raw("aws:ec2/vpcs:Vpcs", "other")
""")
    said = stack.run("preview", fails=True)
    assert "does not know the resource type aws:ec2/vpcs:Vpcs; did you mean aws:ec2/vpc:Vpc?" in said
    assert "localcloud/provider/handlers/" in said


def test_a_preview_without_a_policy_pack_refuses_what_the_official_provider_would(stack: Stack) -> None:
    """Rule: all at once, each with its value and what it must be; a value that AWS alone refuses is let through."""
    stack.config(range="10.0.1.7/24")
    stack.write(
        PROGRAM.replace("heartbeat_timeout=600", "heartbeat_timeout=5").replace(
            'default_result="ABANDON"', 'default_result="RETRY"'
        )
    )
    said = stack.run("preview", fails=True)
    assert "cidrBlock: is '10.0.1.7/24'; must be an IPv4 range named by its first address, such as 10.0.0.0/16" in said
    assert "Traceback" not in said

    stack.config(range="10.0.1.0/30")
    said = stack.run("preview", fails=True)
    assert "heartbeatTimeout: is 5; must be 30 to 7200" in said
    assert "defaultResult: is 'RETRY'; must be one of ABANDON, CONTINUE" in said
    assert "cidrBlock" not in said

    stack.write(PROGRAM)
    assert "+ 13 to create" in stack.run("preview")


def test_an_interrupted_wait_keeps_the_group_and_the_next_up_finishes_it(stack: Stack) -> None:
    """The cloud's clock stands still here: the instance never gets into service, and `up` waits for it."""
    stack.config(nodes="1", wait="10m")
    process = stack.start("up", "--yes", "--skip-preview")
    groups = stack.aws.client("autoscaling").describe_auto_scaling_groups
    eventually(lambda: groups()["AutoScalingGroups"], "the group exists")
    name = groups()["AutoScalingGroups"][0]["AutoScalingGroupName"]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "interrupted; run the same command again" in said, said
    eventually(lambda: stack.processes() == [], "every process of the CLI has ended")
    assert stack.resources()["aws:autoscaling/group:Group::fleet"]["id"] == name

    stack.config(nodes="0", wait="0")
    stack.up()
    assert [each["AutoScalingGroupName"] for each in groups()["AutoScalingGroups"]] == [name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_cli_that_is_stopped_in_the_middle_of_a_program(
    stack: Stack, number: signal.Signals
) -> None:
    stack.write("import pathlib, signal\npathlib.Path('running').touch()\nsignal.pause()\n")
    process = stack.start("preview")
    eventually((stack.folder / "running").exists, "the program runs")
    process.send_signal(number)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "Traceback" not in said
    eventually(lambda: stack.processes() == [], "every process of the CLI has ended")
