"""Images of instances, and what an instance says on its console."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.admin import PendingImage
from localcloud.aws.in_process import LocalAws, local_aws

TAGS = [{"ResourceType": each, "Tags": [{"Key": "for", "Value": each}]} for each in ("image", "snapshot")]


def stopped(aws: LocalAws) -> str:
    ec2 = aws.client("ec2")
    instance_id = str(ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])
    aws.tick()
    ec2.stop_instances(InstanceIds=[instance_id])
    return instance_id


def state(aws: LocalAws, image_id: str) -> str:
    return str(aws.client("ec2").describe_images(ImageIds=[image_id])["Images"][0]["State"])


def test_an_image_is_available_a_tick_later_and_it_and_its_snapshot_have_their_tags(aws: LocalAws) -> None:
    ec2 = aws.client("ec2")
    image_id = ec2.create_image(InstanceId=stopped(aws), Name="mine", TagSpecifications=TAGS)["ImageId"]
    assert state(aws, image_id) == "pending"
    aws.tick()
    (found,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "tag:for", "Values": ["image"]}])["Images"]
    assert (found["ImageId"], found["State"], found["Architecture"]) == (image_id, "available", "x86_64")
    (disk,) = found["BlockDeviceMappings"]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
    assert snapshot["Tags"] == TAGS[1]["Tags"]


def test_a_running_instance_has_to_be_stopped_first(aws: LocalAws) -> None:
    ec2 = aws.client("ec2")
    instance_id = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    aws.tick()
    with pytest.raises(ClientError, match=f"IncorrectInstanceState.*{instance_id} is running"):
        ec2.create_image(InstanceId=instance_id, Name="mine")


@pytest.mark.parametrize(("copied", "becomes"), [(True, "available"), (False, "failed")])
def test_where_instances_are_hosts_an_image_waits_for_whoever_copies_its_disk(
    aws: LocalAws, fleet: Any, monkeypatch: pytest.MonkeyPatch, copied: bool, becomes: str
) -> None:
    monkeypatch.setattr(aws.cloud, "hosts", object())
    instance_id = stopped(aws)
    image_id = aws.client("ec2").create_image(InstanceId=instance_id, Name="mine")["ImageId"]
    aws.tick(3)
    assert state(aws, image_id) == "pending"
    (asked,) = [PendingImage(**each) for each in fleet.call("images")[1]]
    assert asked == PendingImage(image_id, instance_id, "ami-1")
    fleet.call("images", {"image_id": image_id, "copied": copied})
    assert state(aws, image_id) == becomes
    assert fleet.call("images")[1] == []


def test_the_console_is_the_end_of_what_the_instance_said(tmp_path: Path) -> None:
    with local_aws("127.10", consoles=tmp_path) as aws:
        instance_id = stopped(aws)
        assert aws.client("ec2").get_console_output(InstanceId=instance_id)["Output"] == ""
        (tmp_path / instance_id).mkdir()
        (tmp_path / instance_id / "stdout.log").write_text("x" * 100_000 + "the end\n")
        said = aws.client("ec2").get_console_output(InstanceId=instance_id)["Output"]
        assert said.endswith("xthe end\n")
        assert len(said) == 64 << 10
