"""Load balancers, images and instance metadata as on AWS. Each probe fails where moto does not do it."""

from typing import Any

import requests
from botocore.exceptions import ClientError
from world import world

SERVICE = "/aws/service"


def a_new_target_is_not_healthy_before_it_is_checked() -> None:
    elb, targets, _ = _balancer()
    instance_id = _instance()
    world.settle()
    elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": instance_id}])
    (health,) = elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]
    assert health["TargetHealth"]["State"] == "initial"


def a_protected_load_balancer_is_not_deleted() -> None:
    elb, _, balancer = _balancer()
    protection = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=protection)
    try:
        elb.delete_load_balancer(LoadBalancerArn=balancer)
    except ClientError:
        return
    raise AssertionError("deleted")


def ubuntus_newest_image_has_a_parameter() -> None:
    _parameter("canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id")


def the_deep_learning_image_has_a_parameter() -> None:
    _parameter("deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id")


def an_image_of_an_instance_is_pending_first() -> None:
    ec2, image = world.client("ec2"), _image()
    assert ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "pending"


def the_snapshot_of_an_image_gets_its_tags() -> None:
    tags = [{"Key": "for", "Value": "me"}]
    image = _image(TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
    ec2 = world.client("ec2")
    (disk,) = ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
    assert snapshot["Tags"] == tags


def a_console_tells_of_no_other_machine() -> None:
    assert "Xen" not in world.client("ec2").get_console_output(InstanceId=_instance())["Output"]


def metadata_is_told_only_for_a_token() -> None:
    url = world.metadata(_instance())
    assert requests.get(f"{url}/meta-data/instance-id", timeout=5).status_code == 401


def metadata_knows_no_notice_where_none_was_given() -> None:
    url, seconds = world.metadata(_instance()), {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = requests.put(f"{url}/api/token", headers=seconds, timeout=5).text
    headers = {"X-aws-ec2-metadata-token": token}
    assert requests.get(f"{url}/meta-data/spot/instance-action", headers=headers, timeout=5).status_code == 404


def _image(**more: Any) -> str:
    ec2, instance_id = world.client("ec2"), _instance()
    world.settle()
    ec2.stop_instances(InstanceIds=[instance_id])
    return str(ec2.create_image(InstanceId=instance_id, Name="image", **more)["ImageId"])


def _instance() -> str:
    launched = world.client("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
    return str(launched["Instances"][0]["InstanceId"])


def _parameter(name: str) -> None:
    assert world.client("ssm").get_parameter(Name=f"{SERVICE}/{name}")["Parameter"]["Value"].startswith("ami-")


def _balancer() -> tuple[Any, str, str]:
    """A load balancer that forwards: the client, its target group's ARN and its own."""
    elb, ec2 = world.client("elbv2"), world.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    targets = elb.create_target_group(Name="t", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    balancer = elb.create_load_balancer(Name="b", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": targets["TargetGroupArn"]}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    return elb, targets["TargetGroupArn"], balancer


PROBES = [
    a_new_target_is_not_healthy_before_it_is_checked,
    a_protected_load_balancer_is_not_deleted,
    ubuntus_newest_image_has_a_parameter,
    the_deep_learning_image_has_a_parameter,
    an_image_of_an_instance_is_pending_first,
    the_snapshot_of_an_image_gets_its_tags,
    a_console_tells_of_no_other_machine,
    metadata_is_told_only_for_a_token,
    metadata_knows_no_notice_where_none_was_given,
]
