"""The stack's own VPC: private subnets for everything, and S3 without a way out."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.components.egress import Egress, EgressArgs
from infra.components.flow_logs import FlowLogs, FlowLogsArgs

Way = Literal["nat", "nat_per_zone", "interface_endpoints"]


@dataclass(frozen=True)
class Subnets:
    """Where instances live: of the stack's own VPC, or of one that was there before."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: Sequence[pulumi.Output[str]]
    ready: pulumi.Resource | None  # what an instance needs before it boots


@dataclass(frozen=True)
class NetworkArgs:
    """`zones` are names of availability zones, such as us-east-1a; `egress` is the way to the AWS APIs."""

    region: str
    cidr: str
    zones: Sequence[str]
    egress: Way
    log_retention_days: int
    key_arn: pulumi.Output[str] | None


def subnet_ranges(cidr: str, zones: int) -> tuple[list[str], list[str]]:
    """A small range each for the ways out, then a quarter of the VPC for the instances of each zone."""
    first, *others = IPv4Network(cidr).subnets(prefixlen_diff=2)
    small = [str(each) for _, each in zip(range(zones), first.subnets(new_prefix=28), strict=False)]
    return small, [str(each) for each in others[:zones]]


class Network(pulumi.ComponentResource):
    """A VPC whose instances nobody outside can reach. Model files take the free way: S3's gateway endpoint."""

    subnets: Subnets

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:network:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc", cidr_block=args.cidr, enable_dns_hostnames=True, enable_dns_support=True, opts=self._child
        )
        # AWS's own group lets its members talk to each other: nothing uses it, so it lets nothing through.
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self._vpc.id, opts=self._child)
        public, private = subnet_ranges(args.cidr, len(args.zones))
        tables = [self._route_table(zone) for zone in args.zones]
        ids = [
            self._private_subnet(zone, cidr, table)
            for zone, cidr, table in zip(args.zones, private, tables, strict=True)
        ]
        self._s3_endpoint(tables)
        out = EgressArgs(args.egress, args.region, self._vpc.id, args.cidr, args.zones, public, tables, ids)
        Egress(f"{name}-egress", out, self._child)
        FlowLogs(f"{name}-flow", FlowLogsArgs(self._vpc.id, args.log_retention_days, args.key_arn), self._child)
        self.subnets = Subnets(self._vpc.id, ids, self)
        self.register_outputs({"vpcId": self._vpc.id, "privateSubnetIds": ids})

    def _route_table(self, zone: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(f"{self._name}-private-{zone}", vpc_id=self._vpc.id, opts=self._child)

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

    def _s3_endpoint(self, tables: Sequence[aws.ec2.RouteTable]) -> None:
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{self._args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            opts=self._child,
        )
