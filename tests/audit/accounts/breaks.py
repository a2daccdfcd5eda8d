"""Which resource breaks which control."""

from collections.abc import Mapping

from localcloud.aws.cloud import ACCOUNT as ACCOUNT_ID
from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.breaking import Break
from tests.audit.accounts.weak_buckets import (
    bare_bucket,
    bare_table,
    bare_trail,
    bucket_for,
    bucket_of_a_trail,
    bucket_open_by_acl,
)
from tests.audit.accounts.weak_machines import (
    bare_balancer,
    bare_configuration,
    bare_group,
    bare_instance,
    bare_template,
    old_tls,
    plain_listener,
)
from tests.audit.accounts.weak_network import (
    bare_acl,
    bare_default_group,
    bare_vpc,
    group_open,
    public_subnet,
    wide_route_to_a_peer,
)
from tests.audit.accounts.weak_policies import (
    bare_queue,
    key_that_ends,
    policy_granting,
    public_key,
    public_queue,
    public_topic,
    role_granting,
)
from tests.audit.controls.control import ACCOUNT

EVERY_KEY = f"arn:aws:kms:*:{ACCOUNT_ID}:key/*"


def nothing(_: LocalAws) -> str:
    """The account as it is on its first day."""
    return ACCOUNT


BREAKS: Mapping[str, Break] = {
    "S3.1": nothing,
    "S3.2": bucket_for("s3:Get*"),
    "S3.3": bucket_open_by_acl,
    "S3.5": bare_bucket,
    "S3.6": bucket_for("s3:PutBucketPolicy"),
    "S3.8": bare_bucket,
    "S3.9": bare_bucket,
    "S3.12": bare_bucket,
    "S3.13": bare_bucket,
    "S3.14": bare_bucket,
    "S3.17": bare_bucket,
    "CIS 3.1.1": bare_bucket,
    "CIS 3.1.2": bare_bucket,
    "CIS 3.1.4": bare_bucket,
    "EC2.2": bare_default_group,
    "EC2.6": bare_vpc,
    "EC2.13": group_open(22),
    "EC2.14": group_open(3389),
    "EC2.15": public_subnet,
    "EC2.18": group_open(81),
    "EC2.19": group_open(5432),
    "EC2.21": bare_acl,
    "CIS 4.7": bare_vpc,
    "CIS 6.2": bare_acl,
    "CIS 6.3": group_open(22),
    "CIS 6.4": group_open(3389, "Ipv6Ranges"),
    "CIS 6.5": bare_default_group,
    "CIS 6.6": wide_route_to_a_peer,
    "EC2.3": bare_instance,
    "EC2.7": nothing,
    "EC2.8": bare_instance,
    "EC2.9": bare_instance,
    "EC2.25": bare_template,
    "EC2.170": bare_template,
    "SSM.1": bare_instance,
    "CIS 2.16": bare_instance,
    "CIS 6.1.1": nothing,
    "CIS 6.7": bare_instance,
    "AutoScaling.1": bare_group,
    "AutoScaling.2": bare_group,
    "AutoScaling.3": bare_configuration,
    "AutoScaling.5": bare_configuration,
    "AutoScaling.6": bare_group,
    "AutoScaling.9": bare_group,
    "ELB.1": bare_balancer,
    "ELB.4": bare_balancer,
    "ELB.5": bare_balancer,
    "ELB.6": bare_balancer,
    "ELB.12": bare_balancer,
    "ELB.13": bare_balancer,
    "ELB.16": bare_balancer,
    "ELB.17": old_tls,
    "ELB.18": plain_listener,
    "SQS.1": bare_queue,
    "SNS.1": public_topic,
    "SNS.4": public_topic,
    "KMS.3": key_that_ends,
    "KMS.4": public_key,
    "KMS.5": public_key,
    "CIS 2.21": public_queue,
    "CIS 4.6": public_key,
    "IAM.1": policy_granting("*"),
    "IAM.21": role_granting("s3:*"),
    "KMS.1": policy_granting("kms:Decrypt"),
    "KMS.2": role_granting("kms:*", EVERY_KEY),
    "CloudTrail.1": nothing,
    "CloudTrail.2": bare_trail,
    "CloudTrail.3": nothing,
    "CloudTrail.4": bare_trail,
    "CloudTrail.5": bare_trail,
    "CloudTrail.6": bucket_of_a_trail,
    "CloudTrail.7": bucket_of_a_trail,
    "CIS 4.1": nothing,
    "CIS 4.2": bare_trail,
    "CIS 4.3": nothing,
    "CIS 4.4": bucket_of_a_trail,
    "CIS 4.5": bare_trail,
    "CIS 4.8": nothing,
    "CIS 4.9": nothing,
    "DynamoDB.2": bare_table,
    "DynamoDB.6": bare_table,
}
