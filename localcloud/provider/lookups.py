"""Functions that look up what is there already: a VPC, a subnet. AWS's own not-found errors pass."""

from localcloud.provider.handlers.ec2_network import Subnet, Vpc
from localcloud.provider.resource import Aws
from localcloud.provider.values import Properties


def vpc(aws: Aws, arguments: Properties) -> Properties:
    """aws.ec2.get_vpc by id."""
    found = aws.client("ec2").describe_vpcs(VpcIds=[arguments["id"]])["Vpcs"][0]
    shown = Vpc().read(aws, arguments["id"], {})
    return {
        **_lookup(shown, arguments),
        **{key: shown[key] for key in ("dhcpOptionsId", "enableDnsHostnames", "enableDnsSupport", "instanceTenancy")},
        "mainRouteTableId": shown["mainRouteTableId"],
        "default": found["IsDefault"],
        "state": found["State"],
        "cidrBlockAssociations": [
            {"associationId": each["AssociationId"], "cidrBlock": each["CidrBlock"], "state": "associated"}
            for each in found.get("CidrBlockAssociationSet", [])
        ],
        "enableNetworkAddressUsageMetrics": False,
        "ipv6AssociationId": "",
        "ipv6CidrBlock": "",
    }


def subnet(aws: Aws, arguments: Properties) -> Properties:
    """aws.ec2.get_subnet by id."""
    found = aws.client("ec2").describe_subnets(SubnetIds=[arguments["id"]])["Subnets"][0]
    shown = Subnet().read(aws, arguments["id"], {})
    return {
        **_lookup(shown, arguments),
        **{key: shown[key] for key in ("availabilityZone", "availabilityZoneId", "mapPublicIpOnLaunch", "vpcId")},
        "availableIpAddressCount": found["AvailableIpAddressCount"],
        "assignIpv6AddressOnCreation": found.get("AssignIpv6AddressOnCreation", False),
        "defaultForAz": found["DefaultForAz"],
        "state": found["State"],
        "ipv6CidrBlock": "",
    }


def _lookup(shown: Properties, arguments: Properties) -> Properties:
    """What both have."""
    given = {key: shown[key] for key in ("arn", "cidrBlock", "ownerId", "region")}
    return {**given, "id": arguments["id"], "tags": shown["tagsAll"]}
