"""What resources need before they can be made."""

import itertools
import json
from collections.abc import Callable
from typing import Any

REGION = "us-east-1"
TRUST = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}


class World:
    """Makes prerequisites behind the provider's back; every call makes a new one."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.client = client
        self._numbers = itertools.count(1)

    def name(self, kind: str = "thing") -> str:
        return f"{kind}-{next(self._numbers)}"

    def vpc(self) -> str:
        return str(self.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])

    def subnet(self, vpc: str = "", zone: str = "a") -> str:
        block = f"10.0.{next(self._numbers)}.0/24"
        place = f"{REGION}{zone}"
        reply = self.client("ec2").create_subnet(VpcId=vpc or self.vpc(), CidrBlock=block, AvailabilityZone=place)
        return str(reply["Subnet"]["SubnetId"])

    def vpc_of(self, subnet: str) -> str:
        return str(self.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"])

    def subnets(self) -> list[str]:
        vpc = self.vpc()
        return [self.subnet(vpc, zone) for zone in "ab"]

    def internet_gateway(self) -> str:
        return str(self.client("ec2").create_internet_gateway()["InternetGateway"]["InternetGatewayId"])

    def nat_gateway(self, vpc: str) -> str:
        reply = self.client("ec2").create_nat_gateway(SubnetId=self.subnet(vpc), AllocationId=self.address())
        return str(reply["NatGateway"]["NatGatewayId"])

    def address(self) -> str:
        return str(self.client("ec2").allocate_address(Domain="vpc")["AllocationId"])

    def route_table(self, vpc: str = "") -> str:
        return str(self.client("ec2").create_route_table(VpcId=vpc or self.vpc())["RouteTable"]["RouteTableId"])

    def security_group(self, vpc: str = "") -> str:
        given = {"GroupName": self.name("group"), "Description": "made by a test", "VpcId": vpc or self.vpc()}
        return str(self.client("ec2").create_security_group(**given)["GroupId"])

    def launch_template(self) -> str:
        name, data = self.name("template"), {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
        reply = self.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        return str(reply["LaunchTemplate"]["LaunchTemplateId"])

    def bucket(self) -> str:
        name = self.name("bucket")
        self.client("s3").create_bucket(Bucket=name)
        return name

    def role(self) -> str:
        name = self.name("role")
        self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        return name

    def policy(self) -> str:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        reply = self.client("iam").create_policy(PolicyName=self.name("policy"), PolicyDocument=json.dumps(document))
        return str(reply["Policy"]["Arn"])

    def load_balancer(self) -> str:
        reply = self.client("elbv2").create_load_balancer(Name=self.name("balancer"), Subnets=self.subnets())
        return str(reply["LoadBalancers"][0]["LoadBalancerArn"])

    def target_group(self, vpc: str = "") -> str:
        given = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc or self.vpc()}
        reply = self.client("elbv2").create_target_group(Name=self.name("targets"), **given)
        return str(reply["TargetGroups"][0]["TargetGroupArn"])

    def group(self) -> str:
        name, template = self.name("fleet"), {"LaunchTemplateId": self.launch_template()}
        sizes = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0, "VPCZoneIdentifier": self.subnet()}
        asg = self.client("autoscaling")
        asg.create_auto_scaling_group(AutoScalingGroupName=name, LaunchTemplate=template, **sizes)
        return name
