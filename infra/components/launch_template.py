"""How an instance of ours is made, nodes and gateways alike."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Machine:
    """What differs between the instances of two launch templates.

    Attributes:
        user_data: the plain script.
        key_arn: the customer managed key of the disk; None for AWS's own.
        key_name: EC2 key pair whose key opens the instance to ssh; None where nobody may come that way.
        tags: of the disk: those of a group reach its instances, not their volumes.
    """

    instance_type: str
    image_id: pulumi.Output[str]
    profile_arn: pulumi.Output[str]
    user_data: pulumi.Output[str]
    root_volume_gib: int
    key_arn: pulumi.Output[str] | None
    key_name: str | None
    tags: Mapping[str, str]


def launch_template(
    name: str, machine: Machine, security_group_id: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> aws.ec2.LaunchTemplate:
    """A template whose instances answer metadata to IMDSv2 alone, and not to a container behind them.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
    """
    return aws.ec2.LaunchTemplate(
        name,
        instance_type=machine.instance_type,
        image_id=machine.image_id,
        iam_instance_profile={"arn": machine.profile_arn},
        key_name=machine.key_name,
        vpc_security_group_ids=[security_group_id],
        user_data=machine.user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
        metadata_options={
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,
            "instance_metadata_tags": "enabled",  # a node reads its group's name there
        },
        block_device_mappings=[
            {
                "device_name": "/dev/sda1",  # the root of Ubuntu's images
                "ebs": {
                    "volume_size": machine.root_volume_gib,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    "kms_key_id": machine.key_arn,
                    "delete_on_termination": "true",
                },
            }
        ],
        tag_specifications=[{"resource_type": "volume", "tags": machine.tags}],
        opts=opts,
    )
