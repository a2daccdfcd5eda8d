"""The way from private subnets to the AWS APIs: NAT gateways, or endpoints inside the VPC."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import firewall
from infra.ways_out import INTERFACE_ENDPOINTS, NAT_PER_ZONE, SERVICES

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class EgressArgs:
    """One public range, private route table and private subnet for each zone, in the order of `zones`."""

    way: str
    region: str
    vpc_id: pulumi.Output[str]
    vpc_cidr: str
    zones: Sequence[str]
    public_cidrs: Sequence[str]
    private_tables: Sequence[aws.ec2.RouteTable]
    private_subnet_ids: Sequence[pulumi.Output[str]]


class Egress(pulumi.ComponentResource):
    """One NAT gateway is cheapest; one per zone outlives the loss of a zone; endpoints leave no way to the internet.

    Prices, side by side: infra/hourly_cost.py.
    """

    def __init__(self, name: str, args: EgressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:egress:Egress", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        if args.way == INTERFACE_ENDPOINTS:
            self._endpoints()
        else:
            self._nat(len(args.zones) if args.way == NAT_PER_ZONE else 1)
        self.register_outputs({})

    def _nat(self, gateways: int) -> None:
        args = self._args
        internet = aws.ec2.InternetGateway(f"{self._name}-internet", vpc_id=args.vpc_id, opts=self._child)
        public = aws.ec2.RouteTable(f"{self._name}-public", vpc_id=args.vpc_id, opts=self._child)
        route = aws.ec2.Route(
            f"{self._name}-public",
            route_table_id=public.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        made = [self._nat_gateway(number, public, route) for number in range(gateways)]
        for number, (zone, table) in enumerate(zip(args.zones, args.private_tables, strict=True)):
            aws.ec2.Route(
                f"{self._name}-private-{zone}",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=made[number % gateways].id,
                opts=self._child,
            )

    def _nat_gateway(self, number: int, table: aws.ec2.RouteTable, route: aws.ec2.Route) -> aws.ec2.NatGateway:
        name = f"{self._name}-{self._args.zones[number]}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self._args.vpc_id,
            availability_zone=self._args.zones[number],
            cidr_block=self._args.public_cidrs[number],
            tags={"Name": name},
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(name, subnet_id=subnet.id, route_table_id=table.id, opts=self._child)
        return aws.ec2.NatGateway(
            name,
            subnet_id=subnet.id,
            allocation_id=aws.ec2.Eip(name, domain="vpc", opts=self._child).id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[route]),  # without it, it has no way out either
        )

    def _endpoints(self) -> None:
        args = self._args
        group = firewall.group(self._name, "Endpoints of AWS services", args.vpc_id, self._child)
        firewall.allow_from_range(f"{self._name}-https", group.id, args.vpc_cidr, firewall.HTTPS, self._child)
        for service in SERVICES:
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=[*args.private_subnet_ids],
                security_group_ids=[group.id],
                private_dns_enabled=True,
                opts=self._child,
            )
