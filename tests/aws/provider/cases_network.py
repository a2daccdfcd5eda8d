"""Cases of the network's parts, and of where traffic and accesses are logged."""

import json
from typing import Any

from localcloud.aws.cloud import ACCOUNT
from localcloud.provider.values import Properties
from tests.aws.provider.case import GONE, Case, fixed
from tests.aws.provider.world import World

S3_LOGS = "logging.s3.amazonaws.com"
BALANCER_LOGS = "logdelivery.elasticloadbalancing.amazonaws.com"


def gateway_endpoint(world: World) -> Properties:
    vpc = world.vpc()
    return {"vpcId": vpc, "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": [world.route_table(vpc)]}


def more_tables(world: World, inputs: Properties) -> Properties:
    tables = [*inputs["routeTableIds"], world.route_table(inputs["vpcId"])]
    return {"routeTableIds": tables[::-1], "tags": {"more": "yes"}}


def interface_endpoint(world: World) -> Properties:
    subnets = world.subnets()
    vpc = world.vpc_of(subnets[0])
    return {
        "vpcId": vpc,
        "serviceName": "com.amazonaws.us-east-1.sqs",
        "vpcEndpointType": "Interface",
        "subnetIds": subnets[::-1],
        "securityGroupIds": [world.security_group(vpc)],
        "privateDnsEnabled": True,
    }


def other_interfaces(world: World, inputs: Properties) -> Properties:
    groups = [world.security_group(inputs["vpcId"]), world.security_group(inputs["vpcId"])]
    return {"subnetIds": inputs["subnetIds"][:1], "securityGroupIds": groups, "privateDnsEnabled": GONE}


def flow_log(world: World) -> Properties:
    log_group = world.name("flows")
    world.client("logs").create_log_group(logGroupName=log_group)
    return {
        "vpcId": world.vpc(),
        "trafficType": "REJECT",
        "logDestinationType": "cloud-watch-logs",
        "logDestination": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{log_group}",
        "iamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{world.role()}",
        "maxAggregationInterval": 600,
    }


def log_bucket(world: World, prefix: str, service: str) -> str:
    """A bucket that a service may write logs to, as long as it speaks TLS."""
    name = world.bucket()
    arn = f"arn:aws:s3:::{name}"
    tls: dict[str, Any] = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    write = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [f"{arn}/{prefix}*"]}
    statements = [
        {**tls, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**write, "Principal": {"Service": service}},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    world.client("s3").put_bucket_policy(Bucket=name, Policy=policy)
    return name


def accesses(world: World) -> Properties:
    return {"bucket": world.bucket(), "targetBucket": log_bucket(world, "s3/", S3_LOGS), "targetPrefix": "s3/"}


def balancer(world: World) -> Properties:
    subnets = world.subnets()[::-1]
    groups = [world.security_group(world.vpc_of(subnets[0]))]
    return {"subnets": subnets, "securityGroups": groups, "internal": True, "idleTimeout": 90}


def other_balancer(world: World, inputs: Properties) -> Properties:
    group = world.client("ec2").describe_security_groups(GroupIds=inputs["securityGroups"])["SecurityGroups"][0]
    logs = {"enabled": True, "bucket": log_bucket(world, "lb/AWSLogs/", BALANCER_LOGS), "prefix": "lb"}
    return {
        "idleTimeout": GONE,
        "enableHttp2": False,
        "enableDeletionProtection": True,
        "accessLogs": logs,
        "securityGroups": [world.security_group(group["VpcId"])],
        "tags": {"more": "yes"},
    }


CASES: dict[str, Case] = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": Case(
        gateway_endpoint, more_tables, {"serviceName": "com.amazonaws.us-east-1.dynamodb"}
    ),
    "aws:ec2/flowLog:FlowLog": Case(flow_log, fixed(tags={"added": "yes"}), {"trafficType": "ALL"}),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Case(
        lambda world: {"vpcId": world.vpc(), "ingress": [], "egress": []}, fixed(tags={"added": "yes"})
    ),
    "aws:s3/bucketLogging:BucketLogging": Case(accesses, fixed(targetPrefix="s3/models/")),
    "aws:lb/loadBalancer:LoadBalancer": Case(balancer, other_balancer, {"internal": False}),
}
