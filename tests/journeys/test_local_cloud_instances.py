"""A real cloud driven with boto3 as on AWS: its instances and load balancers are real processes and sockets."""

import base64
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import boto3
import psutil
import pytest

from inference_service import contract
from localcloud import control
from localcloud.cloud_state import CloudState
from localcloud.environment import aws_environment
from localcloud.places import Places
from localcloud.processes import marked
from tests.ports import free_port

DEADLINE_SECONDS = 60
IMAGE = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"


def eventually(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {DEADLINE_SECONDS} s")


@dataclass
class LocalCloud:
    """A running cloud, and its AWS as boto3 sees it."""

    root: Path
    state: CloudState
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str) -> Any:
        if name not in self.clients:
            environ = aws_environment(self.state, {})
            session = boto3.Session(
                environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=self.state.region
            )
            self.clients[name] = session.client(name, endpoint_url=self.state.endpoint_url)
        return self.clients[name]

    def subnets(self) -> tuple[str, list[str]]:
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")
            for number, zone in enumerate("ab")
        ]
        return vpc, [each["Subnet"]["SubnetId"] for each in made]

    def group(self, name: str, role: str, subnets: list[str], variables: dict[str, str], **more: Any) -> None:
        """A launch template and a group of one instance that runs the service of `role`."""
        lines = [f"{variable}='{value}'" for variable, value in variables.items()]
        user_data = "\n".join(["#!/bin/bash", contract.VARIABLES_BEGIN, *lines, contract.VARIABLES_END, "exit 1"])
        data = {
            "ImageId": self.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"],
            "InstanceType": "t3.small",
            "UserData": base64.b64encode(user_data.encode()).decode(),
        }
        self.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=2,
            DesiredCapacity=1,
            VPCZoneIdentifier=",".join(subnets),
            LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
            Tags=[{"Key": contract.TAG_ROLE, "Value": role, "PropagateAtLaunch": True}],
            **more,
        )

    def balancer(self, vpc: str, subnets: list[str], port: int) -> tuple[str, str]:
        """A load balancer in front of a new target group: the target group's ARN, and its URL."""
        elb = self.client("elbv2")
        group = elb.create_target_group(
            Name="gateways",
            Protocol="HTTP",
            Port=port,
            VpcId=vpc,
            TargetType="instance",
            HealthCheckPath=contract.PATH_HEALTH,
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        made = elb.create_load_balancer(Name="web", Subnets=subnets, Type="application")["LoadBalancers"][0]
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=port, DefaultActions=forward)
        return group, f"http://{made['DNSName']}:{port}"

    def services(self, role: str) -> list[int]:
        """The processes of a role."""
        found = [psutil.Process(each.pid) for each in marked(Places.of(self.root).folder)]
        return [each.pid for each in found if each.cmdline()[1:3] == ["-m", f"inference_service.{role}"]]

    def states(self, group: str) -> list[str]:
        (found,) = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
            "AutoScalingGroups"
        ]
        return [each["LifecycleState"] for each in found["Instances"]]


GATEWAY = {
    contract.VAR_ENVIRONMENT: "test",
    contract.VAR_REGION: "us-east-1",
    contract.VAR_MODELS: "smollm2",
    contract.VAR_NODE_PORT: "8000",
}
NODE = {
    contract.VAR_ENVIRONMENT: "test",
    contract.VAR_REGION: "us-east-1",
    contract.VAR_MODEL: "smollm2",
    contract.VAR_ENGINE: "stub",
    contract.VAR_BUCKET: "models",
    contract.VAR_NODE_PORT: "8000",
    contract.VAR_LAUNCH_HOOK: "warm",
}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    root = tmp_path / "checkout"
    root.mkdir()
    state = control.start(root, report=print)
    try:
        yield LocalCloud(root, state)
    finally:
        control.stop(root, report=print)
    assert list(marked(Places.of(root).folder)) == []


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (URLError, ConnectionError, TimeoutError):
        return 0


def test_a_group_behind_a_load_balancer_serves_while_it_has_an_instance(cloud: LocalCloud) -> None:
    """The gateway is the real one: it finds the local AWS and its role's credentials as on an EC2 instance."""
    port = free_port(f"{cloud.state.address_prefix}.255.1")
    vpc, subnets = cloud.subnets()
    target_group, url = cloud.balancer(vpc, subnets, port)
    assert url == f"http://{cloud.state.address_prefix}.255.1:{port}"
    eventually(lambda: status(url + contract.PATH_MODELS) == 503, "a load balancer without targets")
    variables = GATEWAY | {contract.VAR_GATEWAY_PORT: str(port)}
    cloud.group("gateways", contract.ROLE_GATEWAY, subnets, variables, TargetGroupARNs=[target_group])
    eventually(lambda: status(url + contract.PATH_MODELS) == 200, "the gateway's answer")
    (pid,) = cloud.services(contract.ROLE_GATEWAY)
    described = cloud.client("elbv2").describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
    assert [each["TargetHealth"]["State"] for each in described] == ["healthy"]
    assert control.start(cloud.root, report=print) == cloud.state
    assert control.problems(cloud.root) == []

    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName="gateways", DesiredCapacity=0)
    eventually(lambda: not psutil.pid_exists(pid), "the end of the gateway's process")
    eventually(lambda: status(url + contract.PATH_MODELS) == 503, "a load balancer without targets")


def test_a_process_runs_from_its_instances_launch_to_its_termination(cloud: LocalCloud) -> None:
    """Held by its launch hook the instance is not in service, but it runs: that is when a node warms up."""
    hook = {
        "LifecycleHookName": "warm",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": 300,
    }
    _, subnets = cloud.subnets()
    cloud.group("nodes", contract.ROLE_NODE, subnets, NODE, LifecycleHookSpecificationList=[hook])
    node = f"http://{cloud.state.address_prefix}.1.1:8000"
    eventually(lambda: status(node + contract.PATH_HEALTH) == 200, "the node's answer at its private address")
    assert cloud.states("nodes") == ["Pending:Wait"]
    (pid,) = cloud.services(contract.ROLE_NODE)
    data = cloud.root / ".warmfleet" / "instances"
    assert len(list(data.glob("*/data"))) == 1

    cloud.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName="nodes", ForceDelete=True)
    eventually(lambda: not psutil.pid_exists(pid), "the end of the node's process")
    eventually(lambda: not list(data.glob("*/data")), "the removal of its data")
    assert len(list(data.glob("*/stdout.log"))) == 1


@pytest.mark.parametrize("part", ["localcloud.daemon", "localcloud.aws", "localcloud.provider"])
def test_whichever_part_is_killed_no_process_is_left(cloud: LocalCloud, part: str) -> None:
    _, subnets = cloud.subnets()
    cloud.group("nodes", contract.ROLE_NODE, subnets, NODE)
    eventually(lambda: cloud.services(contract.ROLE_NODE), "the node's process")
    everything = [each.pid for each in marked(Places.of(cloud.root).folder)]
    (victim,) = [pid for pid in everything if psutil.Process(pid).cmdline()[1:3] == ["-m", part]]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in everything), "the end of every process")
    assert control.running(cloud.root) is None


def test_two_clouds_side_by_side_know_nothing_of_each_other(cloud: LocalCloud, tmp_path: Path) -> None:
    root = tmp_path / "other"
    root.mkdir()
    other = LocalCloud(root, control.start(root, report=print))
    try:
        _, subnets = cloud.subnets()
        cloud.group("nodes", contract.ROLE_NODE, subnets, NODE)
        eventually(lambda: cloud.services(contract.ROLE_NODE), "the node's process")
        assert other.services(contract.ROLE_NODE) == []
        assert other.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
        control.stop(cloud.root, report=print)
        assert control.running(other.root) == other.state
    finally:
        control.stop(root, report=print)
