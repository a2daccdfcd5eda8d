"""The stack's own VPC: private subnets for everything, one way out, and S3 without that way."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class NetworkArgs:
    """`zones` are names of availability zones, such as us-east-1a."""

    region: str
    cidr: str
    zones: Sequence[str]


def subnet_ranges(cidr: str, zones: int) -> tuple[str, list[str]]:
    """A small range for the way out, then one for each zone: a quarter of the VPC each."""
    first, *others = IPv4Network(cidr).subnets(prefixlen_diff=2)
    return str(next(first.subnets(new_prefix=28))), [str(each) for each in others[:zones]]


class Network(pulumi.ComponentResource):
    """A VPC whose instances nobody outside can reach.

    Instances call Auto Scaling and EC2 through one NAT gateway: $0.045 an hour, and as much for each GB (us-east-1,
    https://aws.amazon.com/vpc/pricing/). Model files do not pay that: S3 has its own endpoint, which is free.
    """

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:network:Network", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc", cidr_block=args.cidr, enable_dns_hostnames=True, enable_dns_support=True, opts=self._child
        )
        public, private = subnet_ranges(args.cidr, len(args.zones))
        gateway = self._way_out(public, args.zones[0])
        table = self._private_routes(gateway, args.region)
        self.vpc_id = self._vpc.id
        self.private_subnet_ids = [
            self._private_subnet(zone, cidr, table) for zone, cidr in zip(args.zones, private, strict=True)
        ]
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    def _way_out(self, cidr: str, zone: str) -> aws.ec2.NatGateway:
        internet = aws.ec2.InternetGateway(f"{self._name}-internet", vpc_id=self._vpc.id, opts=self._child)
        subnet = aws.ec2.Subnet(
            f"{self._name}-public",
            vpc_id=self._vpc.id,
            availability_zone=zone,
            cidr_block=cidr,
            tags={"Name": f"{self._name}-public"},
            opts=self._child,
        )
        table = aws.ec2.RouteTable(f"{self._name}-public", vpc_id=self._vpc.id, opts=self._child)
        route = aws.ec2.Route(
            f"{self._name}-public",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(
            f"{self._name}-public", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
        )
        address = aws.ec2.Eip(f"{self._name}-nat", domain="vpc", opts=self._child)
        return aws.ec2.NatGateway(
            f"{self._name}-nat",
            subnet_id=subnet.id,
            allocation_id=address.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[route]),  # without it, it has no way out either
        )

    def _private_routes(self, gateway: aws.ec2.NatGateway, region: str) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(f"{self._name}-private", vpc_id=self._vpc.id, opts=self._child)
        aws.ec2.Route(
            f"{self._name}-private",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            nat_gateway_id=gateway.id,
            opts=self._child,
        )
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id],
            opts=self._child,
        )
        return table

    def _private_subnet(self, zone: str, cidr: str, table: aws.ec2.RouteTable) -> pulumi.Output[str]:
        name = f"{self._name}-private-{zone}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self._vpc.id,
            availability_zone=zone,
            cidr_block=cidr,
            tags={"Name": name},
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._child)
        return subnet.id
