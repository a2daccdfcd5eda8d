"""Our own routes, addresses, and the list of nodes that a gateway asks for."""

import threading
import time
from typing import Any

import boto3
import pytest
from moto import mock_aws

from inference_service import contract
from inference_service.gateway.discovery import Registry
from localcloud.admin import read_instance
from localcloud.aws.addresses import AddressBook
from localcloud.aws.event_log import EventLog
from localcloud.aws.in_process import LocalAws, local_aws


def node_group(fleet: Any, name: str, environment: str) -> None:
    tags = {contract.TAG_ROLE: contract.ROLE_NODE, contract.TAG_ENVIRONMENT: environment, contract.TAG_MODEL: "m"}
    given = [{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()]
    fleet.group(name, DesiredCapacity=1, Tags=given)


def test_the_daemon_reads_instances(aws: LocalAws, fleet: Any):
    node_group(fleet, "g", "test")
    aws.tick(2)
    (found,) = map(read_instance, fleet.call("instances")[1])
    assert (found.instance_id, found.state, found.address) == (next(iter(fleet.states())), "running", "127.9.1.1")
    assert found.tags[contract.TAG_GROUP] == "g"
    assert found.user_data == ""


def test_the_gateway_finds_the_running_nodes_of_its_environment(aws: LocalAws, fleet: Any):
    node_group(fleet, "mine", "test")
    node_group(fleet, "theirs", "other")
    registry = Registry(lambda: aws.client("ec2"), "test")
    aws.tick()
    assert registry.nodes() == ()
    aws.tick()
    (node,) = registry.nodes()
    assert node.instance_id in fleet.states("mine")
    assert (node.address, node.zone, node.market, node.model) == ("127.9.1.1", "us-east-1a", "on-demand", "m")


def test_addresses_are_unique_and_come_back_last():
    book = AddressBook("127.9")
    assert [book.take_instance(), book.take_instance()] == ["127.9.1.1", "127.9.1.2"]
    book.give_back_instance("127.9.1.1")
    rest = [book.take_instance() for _ in range(254 * 254 - 1)]
    assert rest[0] == "127.9.1.3"
    assert rest[-1] == "127.9.1.1"
    assert len(set(rest)) == len(rest)


def test_a_terminated_instances_address_is_not_the_next_ones(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    fleet.ec2.terminate_instances(InstanceIds=list(fleet.states()))
    aws.tick(3)
    assert [each["PrivateIpAddress"] for each in fleet.instances()] == ["127.9.1.2"]


def test_an_instance_is_announced_from_launch_to_end(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    fleet.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    events = fleet.call("events?after=0")[1]["events"]
    assert [each["type"] for each in events if each["type"].startswith("instance-")] == [
        "instance-pending",
        "instance-running",
        "instance-terminated",
    ]
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))


def test_reading_events_waits_for_the_next_one_only():
    log = EventLog()
    log.add("first")
    assert [each["type"] for each in log.after(0, 60)] == ["first"]
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.extend(log.after(1, 60)))
    waiting.start()
    log.add("second", instance_id="i-1")
    waiting.join(10)
    assert answers == [{"seq": 2, "type": "second", "instance_id": "i-1"}]
    assert log.after(2, 0) == []


def test_a_closed_log_keeps_nobody_waiting():
    log = EventLog()
    log.close()
    began = time.monotonic()
    assert log.after(0, 60) == []
    assert time.monotonic() - began < 30


def test_bad_questions_are_answered_as_such(fleet: Any):
    assert fleet.call("events?after=x")[0] == 400
    assert fleet.call("nowhere")[0] == 404
    status, answer = fleet.call("target-health", {"targets": {}})
    assert (status, answer) == (400, {"error": "the body lacks target_group_arn"})
    assert fleet.call("spot/interrupt")[0] == 405


def test_each_cloud_is_empty_at_first_and_moto_is_itself_afterwards():
    for _ in range(2):
        with local_aws(prefix="127.9") as aws:
            assert aws.client("s3").list_buckets()["Buckets"] == []
            aws.client("s3").create_bucket(Bucket="left-over")
            aws.client("ec2").create_launch_template(
                LaunchTemplateName="left-over", LaunchTemplateData={"ImageId": "ami-1"}
            )
    with mock_aws():
        session = boto3.Session("made-up", "made-up", region_name="us-east-1")
        assert session.client("s3").list_buckets()["Buckets"] == []
        (instance,) = session.client("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]
        assert not instance["PrivateIpAddress"].startswith("127.")


def test_a_ticking_cloud_launches_by_itself():
    with local_aws(prefix="127.9", ticking=True) as aws:
        ec2, asg = aws.client("ec2"), aws.client("autoscaling")
        ec2.create_launch_template(
            LaunchTemplateName="template", LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.small"}
        )
        asg.create_auto_scaling_group(
            AutoScalingGroupName="g",
            MinSize=1,
            MaxSize=1,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "template"},
        )
        seen = 0
        while events := aws.cloud.events.after(seen, 30):
            seen = events[-1]["seq"]
            if "InService" in [each.get("state") for each in events]:
                break
        assert events


def test_a_second_cloud_in_one_process_is_refused(aws: LocalAws):
    with pytest.raises(RuntimeError, match="one at a time"), local_aws(prefix="127.10"):
        pass
    assert aws.client("ec2").describe_vpcs()["Vpcs"]


@pytest.mark.parametrize(("behavior", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_an_instance_that_powers_itself_off_is_stopped_or_terminated_as_its_launch_template_says(
    aws: LocalAws, fleet: Any, behavior: str, state: str
):
    data = {"ImageId": "ami-1", "InstanceType": "t3.small", "InstanceInitiatedShutdownBehavior": behavior}
    template = fleet.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=data)["LaunchTemplate"]
    launch = {"LaunchTemplateId": template["LaunchTemplateId"]}
    (made,) = fleet.ec2.run_instances(LaunchTemplate=launch, MinCount=1, MaxCount=1)["Instances"]
    aws.tick()
    (running,) = map(read_instance, fleet.call("instances")[1])
    assert (running.state, running.image_id) == ("running", "ami-1")
    assert fleet.call("powered-off", {"instance_id": made["InstanceId"]})[0] == 200
    (ended,) = map(read_instance, fleet.call("instances")[1])
    assert ended.state == state


def test_reboots_are_counted(aws: LocalAws, fleet: Any):
    (made,) = fleet.ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]
    aws.tick()
    for _ in range(2):
        fleet.ec2.reboot_instances(InstanceIds=[made["InstanceId"]])
    (found,) = map(read_instance, fleet.call("instances")[1])
    assert (found.state, found.reboots) == ("running", 2)
