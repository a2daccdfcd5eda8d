"""Endpoints and access logs as on AWS. Each probe fails where moto does not do it."""

import json
from typing import Any

from botocore.exceptions import ClientError
from world import world

MODELS, LOGS = "model-bucket", "log-bucket"


def private_names_of_an_endpoint_can_be_turned_off() -> None:
    ec2, endpoint, _ = _endpoint()
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PrivateDnsEnabled=False)
    assert _described(ec2, endpoint)["PrivateDnsEnabled"] is False


def an_endpoint_has_an_interface_in_each_of_its_subnets() -> None:
    ec2, endpoint, subnets = _endpoint()
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[subnets[0]])
    assert len(_described(ec2, endpoint)["NetworkInterfaceIds"]) == 1


def accesses_are_logged_into_a_bucket_that_wants_tls() -> None:
    s3 = world.client("s3")
    for name in (MODELS, LOGS):
        s3.create_bucket(Bucket=name)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{LOGS}/*"}
    tls = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    allow = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{LOGS}/s3/*"]}
    writer = {**allow, "Principal": {"Service": "logging.s3.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [tls, writer]})
    s3.put_bucket_policy(Bucket=LOGS, Policy=policy)
    enabled = {"LoggingEnabled": {"TargetBucket": LOGS, "TargetPrefix": "s3/"}}
    s3.put_bucket_logging(Bucket=MODELS, BucketLoggingStatus=enabled)


def a_load_balancer_refuses_a_bucket_that_does_not_exist() -> None:
    elb, subnets = world.client("elbv2"), _subnets()
    balancer = elb.create_load_balancer(Name="b", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    values = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "nowhere"}
    attributes = [{"Key": key, "Value": value} for key, value in values.items()]
    try:
        elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=attributes)
    except ClientError:
        return
    raise AssertionError("accepted")


def _subnets() -> list[str]:
    return [each["SubnetId"] for each in world.client("ec2").describe_subnets()["Subnets"][:2]]


def _endpoint() -> tuple[Any, str, list[str]]:
    """The client, an interface endpoint with private names, and its two subnets."""
    ec2, subnets = world.client("ec2"), _subnets()
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    given = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.sqs", "VpcEndpointType": "Interface"}
    made = ec2.create_vpc_endpoint(SubnetIds=subnets, PrivateDnsEnabled=True, **given)["VpcEndpoint"]
    return ec2, made["VpcEndpointId"], subnets


def _described(ec2: Any, endpoint: str) -> Any:
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return found


PROBES = [
    private_names_of_an_endpoint_can_be_turned_off,
    an_endpoint_has_an_interface_in_each_of_its_subnets,
    accesses_are_logged_into_a_bucket_that_wants_tls,
    a_load_balancer_refuses_a_bucket_that_does_not_exist,
]
