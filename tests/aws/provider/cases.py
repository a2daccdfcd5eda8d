"""One case for each resource type: how to make it, what of it changes in place, what asks for a new one."""

import base64
import json
from typing import Any

from localcloud.provider.values import Properties
from tests.aws.provider import cases_functions, cases_groups, cases_network, cases_operations
from tests.aws.provider.case import GONE, Case, fixed
from tests.aws.provider.world import World


def policy(action: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    principal = {"Service": f"{service}.amazonaws.com"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def peers(world: World) -> Properties:
    vpc = world.vpc()
    return {"securityGroupId": world.security_group(vpc), "referencedSecurityGroupId": world.security_group(vpc)}


def route(world: World) -> Properties:
    vpc, gateway = world.vpc(), world.internet_gateway()
    world.client("ec2").attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return {"routeTableId": world.route_table(vpc), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway}


def over_nat(world: World, inputs: Properties) -> Properties:
    tables = world.client("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])
    return {"gatewayId": GONE, "natGatewayId": world.nat_gateway(tables["RouteTables"][0]["VpcId"])}


def association(world: World) -> Properties:
    vpc = world.vpc()
    return {"subnetId": world.subnet(vpc), "routeTableId": world.route_table(vpc)}


def template(world: World) -> Properties:
    disk = {"volumeSize": 100, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"}
    return {
        "imageId": "ami-12c6146b",
        "instanceType": "g4dn.xlarge",
        "userData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "vpcSecurityGroupIds": [world.security_group(), world.security_group()],
        "iamInstanceProfile": {"arn": "arn:aws:iam::123456789012:instance-profile/node"},
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "blockDeviceMappings": [{"deviceName": "/dev/sda1", "ebs": disk}],
        "tagSpecifications": [{"resourceType": "instance", "tags": {"role": "node"}}],
        "updateDefaultVersion": True,
        "tags": {"kept": "yes"},
    }


def targets(world: World) -> Properties:
    check = {"path": "/healthz", "interval": 10, "timeout": 5, "healthyThreshold": 2, "matcher": "200"}
    return {"port": 8080, "protocol": "HTTP", "vpcId": world.vpc(), "healthCheck": check, "deregistrationDelay": 30}


def other_check(world: World, inputs: Properties) -> Properties:
    return {"healthCheck": {**inputs["healthCheck"], "path": "/readyz"}, "deregistrationDelay": GONE, "slowStart": 60}


def listener(world: World) -> Properties:
    forward = {"type": "forward", "targetGroupArn": world.target_group()}
    return {"loadBalancerArn": world.load_balancer(), "port": 80, "protocol": "HTTP", "defaultActions": [forward]}


def other_action(world: World, inputs: Properties) -> Properties:
    answer = {"contentType": "text/plain", "messageBody": "closed", "statusCode": "503"}
    return {"port": 8080, "defaultActions": [{"type": "fixed-response", "fixedResponse": answer}]}


def lifecycle(days: int) -> list[Properties]:
    old = {"noncurrentDays": days}
    parts = {"daysAfterInitiation": 1}
    rule = {"noncurrentVersionExpiration": old, "abortIncompleteMultipartUpload": parts}
    return [{"id": "old", "status": "Enabled", "filter": {"prefix": "models/"}, **rule}]


def encryption(key: str) -> list[Properties]:
    return [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": key}, "bucketKeyEnabled": True}]


def rule_case(**more: Any) -> Case:
    def inputs(world: World) -> Properties:
        return {"securityGroupId": world.security_group(), "ipProtocol": "tcp", "fromPort": 80, "toPort": 80, **more}

    return Case(inputs, fixed(tags={"more": "yes"}), {"fromPort": 79})


TAGS: Properties = {"kept": "yes", "changed": "before"}
OTHER_TAGS: Properties = {"kept": "yes", "changed": "after", "added": "yes"}
FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
CASES: dict[str, Case] = {
    "aws:ec2/vpc:Vpc": Case(
        lambda world: {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        fixed(enableDnsHostnames=GONE, enableDnsSupport=False, tags=OTHER_TAGS),
        {"cidrBlock": "10.1.0.0/16"},
    ),
    "aws:ec2/subnet:Subnet": Case(
        lambda world: {"vpcId": world.vpc(), "cidrBlock": "10.0.1.0/24", "availabilityZone": "us-east-1b"},
        fixed(mapPublicIpOnLaunch=True, tags=OTHER_TAGS),
        {"cidrBlock": "10.0.2.0/24"},
    ),
    "aws:ec2/internetGateway:InternetGateway": Case(
        lambda world: {"vpcId": world.vpc(), "tags": TAGS}, lambda world, inputs: {"vpcId": world.vpc(), "tags": GONE}
    ),
    "aws:ec2/eip:Eip": Case(lambda world: {"domain": "vpc"}, fixed(tags=OTHER_TAGS)),
    "aws:ec2/natGateway:NatGateway": Case(
        lambda world: {"subnetId": world.subnet(), "allocationId": world.address()}, fixed(tags=OTHER_TAGS)
    ),
    "aws:ec2/routeTable:RouteTable": Case(lambda world: {"vpcId": world.vpc()}, fixed(tags=OTHER_TAGS)),
    "aws:ec2/route:Route": Case(route, over_nat, {"destinationCidrBlock": "192.0.2.0/24"}),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Case(association),
    "aws:ec2/securityGroup:SecurityGroup": Case(
        lambda world: {"vpcId": world.vpc(), "tags": TAGS}, fixed(tags=OTHER_TAGS), {"description": "another"}
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule_case(cidrIpv4="0.0.0.0/0", description="all"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Case(
        lambda world: {**peers(world), "ipProtocol": "-1"}, fixed(tags=OTHER_TAGS), {"description": "new"}
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Case(
        template, fixed(instanceType="g5.xlarge", userData="ZWNobyAyCg==", description="two", tags=GONE)
    ),
    "aws:s3/bucket:Bucket": Case(lambda world: {"tags": TAGS}, fixed(tags=GONE, forceDestroy=True)),
    "aws:s3/bucketVersioning:BucketVersioning": Case(
        lambda world: {"bucket": world.bucket(), "versioningConfiguration": {"status": "Enabled"}},
        fixed(versioningConfiguration={"status": "Suspended"}),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Case(
        lambda world: {"bucket": world.bucket(), "rules": encryption("AES256")}, fixed(rules=encryption("aws:kms"))
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Case(
        lambda world: {"bucket": world.bucket(), **dict.fromkeys(FLAGS, True)}, fixed(blockPublicPolicy=False)
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Case(
        lambda world: {"bucket": world.bucket(), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        fixed(rule={"objectOwnership": "BucketOwnerPreferred"}),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Case(
        lambda world: {"bucket": world.bucket(), "rules": lifecycle(30)}, fixed(rules=lifecycle(7))
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Case(
        lambda world: {"bucket": world.bucket(), "policy": policy("s3:GetObject", Principal="*")},
        fixed(policy=policy("s3:PutObject", Principal="*")),
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Case(
        lambda world: {"bucket": world.bucket(), "key": "a/b", "content": "one", "checksumAlgorithm": "SHA256"},
        fixed(content="two", contentType="text/plain", tags=OTHER_TAGS),
        {"key": "c"},
    ),
    "aws:iam/role:Role": Case(
        lambda world: {"assumeRolePolicy": trust("ec2"), "tags": TAGS, "maxSessionDuration": 7200},
        fixed(assumeRolePolicy=trust("lambda"), tags=OTHER_TAGS, maxSessionDuration=GONE, description="new"),
        {"path": "/fleet/"},
    ),
    "aws:iam/rolePolicy:RolePolicy": Case(
        lambda world: {"role": world.role(), "policy": policy("s3:GetObject")}, fixed(policy=policy("s3:PutObject"))
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Case(
        lambda world: {"role": world.role(), "policyArn": world.policy()}
    ),
    "aws:iam/instanceProfile:InstanceProfile": Case(
        lambda world: {"role": world.role(), "tags": TAGS},
        lambda world, inputs: {"role": world.role(), "tags": OTHER_TAGS},
        {"path": "/fleet/"},
    ),
    "aws:lb/targetGroup:TargetGroup": Case(targets, other_check, {"port": 8081}),
    "aws:lb/listener:Listener": Case(listener, other_action),
    **cases_groups.CASES,
    **cases_network.CASES,
    **cases_operations.CASES,
    **cases_functions.CASES,
}
