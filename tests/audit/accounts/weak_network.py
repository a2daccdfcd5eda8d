"""VPCs with ways in that nobody should have."""

from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.breaking import Break, name
from tests.audit.accounts.sound_network import EVERYBODY


def own_vpc(aws: LocalAws) -> str:
    vpc: str = aws.client("ec2").create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    return vpc


def bare_vpc(aws: LocalAws) -> str:
    return f"VPC {own_vpc(aws)}"


def bare_acl(aws: LocalAws) -> str:
    """A VPC's own network ACL lets everything in."""
    return f"network ACL of {own_vpc(aws)}"


def bare_default_group(aws: LocalAws) -> str:
    own_vpc(aws)
    return "security group default"


def public_subnet(aws: LocalAws) -> str:
    ec2 = aws.client("ec2")
    subnet = ec2.create_subnet(VpcId=own_vpc(aws), CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    return f"subnet {subnet}"


def group_open(port: int, family: str = "IpRanges") -> Break:
    """Open to everybody of IPv4 or IPv6."""

    def make(aws: LocalAws) -> str:
        ec2, group = aws.client("ec2"), name()
        made = ec2.create_security_group(GroupName=group, Description="weak", VpcId=own_vpc(aws))["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, family: EVERYBODY[family]}
        ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[rule])
        return f"security group {group}"

    return make


def wide_route_to_a_peer(aws: LocalAws) -> str:
    ec2 = aws.client("ec2")
    peer = ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    vpc = own_vpc(aws)
    link = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    peering = link["VpcPeeringConnectionId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.6.0.0/16", VpcPeeringConnectionId=peering)
    return f"route table {table}"
