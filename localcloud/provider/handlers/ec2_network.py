"""VPC, subnet and internet gateway."""

from typing import Any

from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    arn,
    as_mapping,
    specification,
    tag_outputs,
)
from localcloud.provider.resource import Aws, chosen, names
from localcloud.provider.values import Properties


class Vpc(Ec2Resource):
    token = "aws:ec2/vpc:Vpc"
    inputs = names("cidrBlock enableDnsHostnames enableDnsSupport instanceTenancy") | TAG_INPUTS
    outputs = (
        names("arn cidrBlock defaultNetworkAclId defaultRouteTableId defaultSecurityGroupId dhcpOptionsId")
        | names("enableDnsHostnames enableDnsSupport instanceTenancy mainRouteTableId ownerId")
        | TAG_OUTPUTS
    )
    replaced_by = names("cidrBlock instanceTenancy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("cidrBlock", "instanceTenancy"))
        reply = aws.client("ec2").create_vpc(TagSpecifications=specification("vpc", inputs), **given)
        return str(reply["Vpc"]["VpcId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        # One attribute a call; names need resolution, so that one first. AWS's defaults: support on, names off.
        modify = aws.client("ec2").modify_vpc_attribute
        modify(VpcId=id_, EnableDnsSupport={"Value": inputs.get("enableDnsSupport", True)})
        modify(VpcId=id_, EnableDnsHostnames={"Value": inputs.get("enableDnsHostnames", False)})

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        ec2 = aws.client("ec2")
        vpc = ec2.describe_vpcs(VpcIds=[id_])["Vpcs"][0]
        main = self._only(ec2.describe_route_tables, "RouteTables", id_, "association.main", "true")["RouteTableId"]
        return {
            "arn": arn(aws, vpc["OwnerId"], "vpc", id_),
            "cidrBlock": vpc["CidrBlock"],
            "defaultNetworkAclId": self._only(ec2.describe_network_acls, "NetworkAcls", id_, "default", "true")[
                "NetworkAclId"
            ],
            "defaultRouteTableId": main,
            "defaultSecurityGroupId": self._only(
                ec2.describe_security_groups, "SecurityGroups", id_, "group-name", "default"
            )["GroupId"],
            "dhcpOptionsId": vpc["DhcpOptionsId"],
            "enableDnsHostnames": self._attribute(ec2, id_, "enableDnsHostnames"),
            "enableDnsSupport": self._attribute(ec2, id_, "enableDnsSupport"),
            "instanceTenancy": vpc["InstanceTenancy"],
            "mainRouteTableId": main,
            "ownerId": vpc["OwnerId"],
            **tag_outputs(as_mapping(vpc.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_vpc(VpcId=id_)

    @staticmethod
    def _only(describe: Any, kind: str, vpc_id: str, filter_name: str, value: str) -> Any:
        filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": filter_name, "Values": [value]}]
        return describe(Filters=filters)[kind][0]

    @staticmethod
    def _attribute(ec2: Any, vpc_id: str, attribute: str) -> bool:
        reply = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)
        return bool(reply[attribute[0].upper() + attribute[1:]]["Value"])


class Subnet(Ec2Resource):
    token = "aws:ec2/subnet:Subnet"
    inputs = names("vpcId cidrBlock availabilityZone mapPublicIpOnLaunch") | TAG_INPUTS
    outputs = names("arn availabilityZone availabilityZoneId cidrBlock mapPublicIpOnLaunch ownerId vpcId") | TAG_OUTPUTS
    replaced_by = names("vpcId cidrBlock availabilityZone")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("vpcId", "cidrBlock", "availabilityZone"))
        reply = aws.client("ec2").create_subnet(TagSpecifications=specification("subnet", inputs), **given)
        return str(reply["Subnet"]["SubnetId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        public = {"Value": inputs.get("mapPublicIpOnLaunch", False)}
        aws.client("ec2").modify_subnet_attribute(SubnetId=id_, MapPublicIpOnLaunch=public)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        subnet = aws.client("ec2").describe_subnets(SubnetIds=[id_])["Subnets"][0]
        return {
            "arn": subnet["SubnetArn"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet["AvailabilityZoneId"],
            "cidrBlock": subnet["CidrBlock"],
            "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
            "ownerId": subnet["OwnerId"],
            "vpcId": subnet["VpcId"],
            **tag_outputs(as_mapping(subnet.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_subnet(SubnetId=id_)


class InternetGateway(Ec2Resource):
    token = "aws:ec2/internetGateway:InternetGateway"
    inputs = names("vpcId") | TAG_INPUTS
    outputs = names("arn ownerId vpcId") | TAG_OUTPUTS

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = specification("internet-gateway", inputs)
        reply = aws.client("ec2").create_internet_gateway(TagSpecifications=given)
        return str(reply["InternetGateway"]["InternetGatewayId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        attached, wanted = self._vpc(self._describe(aws, id_)), inputs.get("vpcId", "")
        if attached and attached != wanted:
            aws.client("ec2").detach_internet_gateway(InternetGatewayId=id_, VpcId=attached)
        if wanted and attached != wanted:
            aws.client("ec2").attach_internet_gateway(InternetGatewayId=id_, VpcId=wanted)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        gateway = self._describe(aws, id_)
        return {
            "arn": arn(aws, gateway["OwnerId"], "internet-gateway", id_),
            "ownerId": gateway["OwnerId"],
            "vpcId": self._vpc(gateway),
            **tag_outputs(as_mapping(gateway.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        if attached := self._vpc(self._describe(aws, id_)):
            aws.client("ec2").detach_internet_gateway(InternetGatewayId=id_, VpcId=attached)
        aws.client("ec2").delete_internet_gateway(InternetGatewayId=id_)

    @staticmethod
    def _describe(aws: Aws, id_: str) -> Any:
        return aws.client("ec2").describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"][0]

    @staticmethod
    def _vpc(gateway: Any) -> str:
        return next((str(each["VpcId"]) for each in gateway.get("Attachments", [])), "")
