"""EC2 instances, and the launch templates that the next ones come from."""

from collections.abc import Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import ACCOUNT, Control, Seen, unless
from tests.audit.controls.roles import inline_policies
from tests.audit.controls.statements import allowed, covers

# What the agent of Systems Manager cannot do without.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
AGENT = ("ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel")


def instances(aws: LocalAws) -> Iterator[Any]:
    for group in aws.client("ec2").describe_instances()["Reservations"]:
        yield from (each for each in group["Instances"] if each["State"]["Name"] != "terminated")


def templates(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    """Label and newest data of each launch template."""
    ec2 = aws.client("ec2")
    for each in ec2.describe_launch_templates()["LaunchTemplates"]:
        (newest,) = ec2.describe_launch_template_versions(
            LaunchTemplateId=each["LaunchTemplateId"], Versions=["$Latest"]
        )["LaunchTemplateVersions"]
        yield f"launch template {each['LaunchTemplateName']}", newest["LaunchTemplateData"]


def volumes_are_encrypted(aws: LocalAws) -> Iterator[Seen]:
    """The volumes that instances name, and those that a template would make: no node runs on the first day."""
    made = {each["VolumeId"]: each["Encrypted"] for each in aws.client("ec2").describe_volumes()["Volumes"]}
    for each in instances(aws):
        plain = [disk["DeviceName"] for disk in each["BlockDeviceMappings"] if not made[disk["Ebs"]["VolumeId"]]]
        yield _label(each), unless(not plain, f"has disks in the clear: {plain}")
    for label, data in templates(aws):
        disks = data.get("BlockDeviceMappings", [])
        encrypted = disks and all(disk["Ebs"].get("Encrypted") for disk in disks)
        yield label, unless(encrypted, "does not encrypt its disks")


def account_encrypts_volumes(aws: LocalAws) -> Iterator[Seen]:
    on = aws.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    yield ACCOUNT, unless(on, "does not encrypt new volumes by itself")


def metadata_wants_a_token(aws: LocalAws) -> Iterator[Seen]:
    for each in instances(aws):
        token = each.get("MetadataOptions", {}).get("HttpTokens")
        yield _label(each), unless(token == "required", "answers to IMDSv1")


def templates_want_a_token(aws: LocalAws) -> Iterator[Seen]:
    for label, data in templates(aws):
        token = data.get("MetadataOptions", {}).get("HttpTokens")
        yield label, unless(token == "required", "makes instances that answer to IMDSv1")


def has_no_public_address(aws: LocalAws) -> Iterator[Seen]:
    for each in instances(aws):
        yield _label(each), unless(not each.get("PublicIpAddress"), "has a public address")


def templates_give_no_public_address(aws: LocalAws) -> Iterator[Seen]:
    for label, data in templates(aws):
        given = any(each.get("AssociatePublicIpAddress") for each in data.get("NetworkInterfaces", []))
        yield label, unless(not given, "gives instances public addresses")


def has_a_role(aws: LocalAws) -> Iterator[Seen]:
    for each in instances(aws):
        yield _label(each), unless(_role(aws, each), "has no role: what calls AWS there needs keys")


def systems_manager_may_reach(aws: LocalAws) -> Iterator[Seen]:
    """The role lets the agent report; whether it does is not simulated here."""
    for each in instances(aws):
        role = _role(aws, each)
        granted = [statement for _, text in inline_policies(aws, role) for statement in allowed(text)] if role else []
        missing = [action for action in AGENT if not any(covers(one["Action"], action) for one in granted)]
        yield _label(each), unless(not missing, f"its role lacks {missing}")


def _role(aws: LocalAws, instance: Any) -> str:
    arn = instance.get("IamInstanceProfile", {}).get("Arn", "")
    if not arn:
        return ""
    profile = aws.client("iam").get_instance_profile(InstanceProfileName=arn.rpartition("/")[2])["InstanceProfile"]
    return str(profile["Roles"][0]["RoleName"]) if profile["Roles"] else ""


def _label(instance: Any) -> str:
    return f"instance {instance['InstanceId']}"


CONTROLS = (
    Control("EC2.3", "Disks are encrypted", volumes_are_encrypted),
    Control("EC2.7", "The account encrypts new volumes by itself", account_encrypts_volumes),
    Control("EC2.8", "Instances answer to IMDSv2 alone", metadata_wants_a_token),
    Control("EC2.9", "Instances have no public address", has_no_public_address),
    Control("EC2.25", "Launch templates give no public address", templates_give_no_public_address),
    Control("EC2.170", "Launch templates want IMDSv2", templates_want_a_token),
    Control("SSM.1", "Systems Manager reaches the instances", systems_manager_may_reach),
    Control("CIS 2.16", "Instances have a role", has_a_role),
    Control("CIS 6.1.1", "The account encrypts new volumes by itself", account_encrypts_volumes),
    Control("CIS 6.7", "Instances answer to IMDSv2 alone", metadata_wants_a_token),
)
