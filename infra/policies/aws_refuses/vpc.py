"""VPCs and their parts: ranges, security groups, endpoints, gateways, routes, flow logs."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

from infra.policies.aws_refuses.ec2 import API
from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import among, exactly_one, only_with, rule, shown

VPC, SUBNET, ROUTE = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/route:Route"
GROUP, OLD_RULE = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT, NAT, FLOW_LOG = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/natGateway:NatGateway", "aws:ec2/flowLog:FlowLog"

GUIDE = "https://docs.aws.amazon.com/vpc/latest/userguide/"
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")

LIMITS = [
    among(FLOW_LOG, "maxAggregationInterval", [60, 600], f"{API}API_CreateFlowLogs.html"),
    among(
        ENDPOINT,
        "vpcEndpointType",
        ["Interface", "Gateway", "GatewayLoadBalancer", "Resource", "ServiceNetwork"],
        f"{API}API_CreateVpcEndpoint.html",
    ),
]


@rule(VPC, SUBNET, source=f"{GUIDE}vpc-cidr-blocks.html")
def network_ranges(resource: Resource) -> Iterator[str]:
    """From /16 to /28, with the first address of the range."""
    for place, value in resource.known("cidrBlock"):
        if network := _network(value):
            if not 16 <= network.prefixlen <= 28:
                yield f"{place} is {value}; must be from /16 to /28"
        else:
            yield f"{place} is {value!r}; must be a range such as {_nearest(value) or '10.0.0.0/16'}"


@rule(SUBNET, source=f"{GUIDE}subnet-sizing.html")
def subnet_in_its_vpc(subnet: Resource, stack: Stack) -> Iterator[str]:
    """Inside the range of its VPC, and apart from its other subnets."""
    mine = _network(subnet.get("cidrBlock"))
    for vpc in stack.behind(subnet, "vpcId", VPC):
        whole = _network(vpc.get("cidrBlock"))
        if (
            mine
            and whole
            and not mine.subnet_of(whole)
            and not stack.of("aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation")
        ):
            yield f"cidrBlock is {mine}; must lie inside {whole} of {vpc.name}"
        for other in stack.of(SUBNET):
            theirs = _network(other.get("cidrBlock"))
            same = other is not subnet and vpc in stack.behind(other, "vpcId", VPC)
            if same and mine and theirs and mine.overlaps(theirs) and subnet.name > other.name:
                yield f"cidrBlock is {mine}; overlaps {theirs} of {other.name}"


@rule(GROUP, source=f"{API}API_CreateSecurityGroup.html")
def security_group_names(group: Resource) -> Iterator[str]:
    """At most 255 characters, not beginning with sg-; a description of plain characters."""
    name = group.get("name")
    if isinstance(name, str) and (name.lower().startswith("sg-") or len(name) > 255 or not DESCRIPTION.fullmatch(name)):
        yield f"name is {shown(name)}; must be at most 255 plain characters and not begin with sg-"
    for place, text in group.known("description"):
        if isinstance(text, str) and not DESCRIPTION.fullmatch(text):
            yield f"{place} is {shown(text)}; must be at most 255 of a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{{}}!$*"


@rule(INGRESS, EGRESS, OLD_RULE, source=f"{API}API_IpPermission.html")
def rule_ports(permission: Resource) -> Iterator[str]:
    """A range of ports that ascends, and none for all protocols."""
    protocol = str(permission.get("ipProtocol", permission.get("protocol", "")))
    first, last = number(permission.get("fromPort")), number(permission.get("toPort"))
    if protocol in ("tcp", "udp", "6", "17"):
        if first is None and not permission.has("fromPort"):
            yield f"fromPort is missing for protocol {protocol}; give fromPort and toPort"
        for name, port in (("fromPort", first), ("toPort", last)):
            if port is not None and not 0 <= port <= 65535:
                yield f"{name} is {port:g}; must be 0 to 65535"
        if first is not None and last is not None and first > last:
            yield f"fromPort is {first:g}; must be at most toPort, which is {last:g}"
    if protocol == "-1" and permission.type != OLD_RULE:
        for path in ("fromPort", "toPort"):
            yield from only_with(permission, path, False, "for a protocol that has ports, not for -1")


@rule(INGRESS, EGRESS, source=f"{API}API_AuthorizeSecurityGroupIngress.html")
def rule_sides(permission: Resource) -> Iterator[str]:
    """One other side."""
    yield from exactly_one(permission, ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"])


@rule(OLD_RULE, source=f"{API}API_AuthorizeSecurityGroupIngress.html")
def old_rule_sides(permission: Resource) -> Iterator[str]:
    """A side, which is not the group itself and another group at once."""
    sides = ["cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "sourceSecurityGroupId", "self"]
    if not any(permission.has(each) for each in sides):
        yield f"none of {', '.join(sides)} given; say who the rule is about"
    if permission.get("self") is True:
        for path in ("cidrBlocks", "sourceSecurityGroupId"):
            yield from only_with(permission, path, False, "without self")


@rule(INGRESS, EGRESS, OLD_RULE, ROUTE, GROUP, source=f"{API}API_IpRange.html")
def whole_ranges(resource: Resource) -> Iterator[str]:
    """A range is named by its first address."""
    paths = ("cidrIpv4", "cidrBlocks[]", "destinationCidrBlock", "ingress[].cidrBlocks[]", "egress[].cidrBlocks[]")
    for path in paths:
        for place, value in resource.known(path):
            if not _network(value):
                yield f"{place} is {value!r}; must be a range such as {_nearest(value) or '10.0.0.0/16'}"


@rule(ENDPOINT, source=f"{API}API_CreateVpcEndpoint.html")
def endpoint_kinds(endpoint: Resource) -> Iterator[str]:
    """A gateway endpoint, for S3 and DynamoDB alone, has route tables; an interface endpoint subnets and groups."""
    kind, service = endpoint.get("vpcEndpointType", "Gateway"), str(endpoint.get("serviceName", ""))
    if kind == "Gateway":
        if service and not service.endswith((".s3", ".dynamodb", ".s3express")):
            yield f"vpcEndpointType is Gateway for {service}; must be Interface: only S3 and DynamoDB have gateways"
        for path in ("subnetIds", "securityGroupIds"):
            yield from only_with(endpoint, path, False, "with vpcEndpointType Interface")
        if endpoint.get("privateDnsEnabled") is True:
            yield "privateDnsEnabled is true; only with vpcEndpointType Interface: take it out"
    if kind == "Interface":
        yield from only_with(endpoint, "routeTableIds", False, "with vpcEndpointType Gateway")


@rule(NAT, source=f"{API}API_CreateNatGateway.html")
def nat_addresses(gateway: Resource) -> Iterator[str]:
    """A public one has an elastic address, a private one has none."""
    kind = gateway.get("connectivityType", "public")
    if gateway.get("availabilityMode") == "regional":
        return
    if kind == "public" and not gateway.has("allocationId"):
        yield "connectivityType is public without allocationId; give an elastic address"
    if kind == "private":
        yield from only_with(gateway, "allocationId", False, "with connectivityType public")


@rule(FLOW_LOG, source=f"{API}API_CreateFlowLogs.html")
def flow_logs(log: Resource) -> Iterator[str]:
    """Of one thing, with a kind of traffic, and a role where CloudWatch is written to."""
    sides = ["vpcId", "subnetId", "eniId", "transitGatewayId", "transitGatewayAttachmentId", "regionalNatGatewayId"]
    yield from exactly_one(log, sides)
    transit = log.has("transitGatewayId") or log.has("transitGatewayAttachmentId")
    if not transit and not log.has("trafficType"):
        yield "trafficType is missing; give ACCEPT, REJECT or ALL"
    kind = log.get("logDestinationType", "cloud-watch-logs")
    if kind == "cloud-watch-logs" and not log.has("iamRoleArn"):
        yield "logDestinationType is cloud-watch-logs without iamRoleArn; give the role that writes"
    if kind == "s3":
        yield from only_with(log, "iamRoleArn", False, "with logDestinationType cloud-watch-logs")
    if kind in ("s3", "kinesis-data-firehose") and not log.has("logDestination"):
        yield f"logDestinationType is {kind} without logDestination; give its ARN"


@rule(ROUTE, source=f"{API}API_CreateRoute.html")
def routes(route: Resource) -> Iterator[str]:
    """One destination, one target."""
    yield from exactly_one(route, ["destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"])
    targets = ["gatewayId", "natGatewayId", "egressOnlyGatewayId", "networkInterfaceId", "transitGatewayId"]
    targets += ["vpcEndpointId", "vpcPeeringConnectionId", "carrierGatewayId", "localGatewayId", "coreNetworkArn"]
    yield from exactly_one(route, targets)


def _network(value: object) -> IPv4Network | None:
    try:
        found = ip_network(str(value))
    except ValueError:
        return None
    return found if isinstance(found, IPv4Network) else None


def _nearest(value: object) -> IPv4Network | None:
    try:
        return IPv4Network(str(value), strict=False)
    except ValueError:
        return None
