"""VPCs and their parts. A subnet may have any size here, and ports may descend: AWS refuses that, not the provider."""

from localcloud.provider.upstream.checks import Check, ExactlyOne, Value, Where
from localcloud.provider.upstream.forms import (
    ARN,
    IPV4_RANGE,
    IPV6_RANGE,
    JSON,
    VPC_RANGE,
    between,
    length,
    matching,
    number_of,
    one_of,
)

_SIDES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
_DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
_TARGETS = (
    "carrierGatewayId",
    "coreNetworkArn",
    "egressOnlyGatewayId",
    "gatewayId",
    "localGatewayId",
    "natGatewayId",
    "networkInterfaceId",
    "transitGatewayId",
    "vpcEndpointId",
    "vpcPeeringConnectionId",
)
_LOGGED = ("eniId", "regionalNatGatewayId", "subnetId", "vpcId", "transitGatewayId", "transitGatewayAttachmentId")

VPC: tuple[Check, ...] = (
    Value("cidrBlock", VPC_RANGE),
    Value("instanceTenancy", one_of("default", "dedicated")),
)
GROUP: tuple[Check, ...] = (
    Value("description", length(0, 255)),
    Value("name", length(0, 255)),
    Value("name", matching("(?s)(?!sg-).*", "a name that does not begin with sg-", ("nodes",), ("sg-nodes",))),
)
RULE: tuple[Check, ...] = (
    ExactlyOne(_SIDES),
    Value("cidrIpv4", IPV4_RANGE),
    Value("cidrIpv6", IPV6_RANGE),
    Value("fromPort", between(-1, 65535)),
    Value("toPort", between(-1, 65535)),
)
ROUTE: tuple[Check, ...] = (
    ExactlyOne(_DESTINATIONS),
    ExactlyOne(_TARGETS),
    Value("destinationCidrBlock", IPV4_RANGE),
)
ENDPOINT: tuple[Check, ...] = (
    Value("policy", JSON),
    Value(
        "vpcEndpointType",
        one_of("Interface", "Gateway", "GatewayLoadBalancer", "Resource", "ServiceNetwork", "Tunnel"),
    ),
)
NAT: tuple[Check, ...] = (
    Value("connectivityType", one_of("private", "public")),
    Where("connectivityType", "private", default="public", forbidden=("allocationId",)),
)
FLOW_LOG: tuple[Check, ...] = (
    ExactlyOne(_LOGGED),
    Value("iamRoleArn", ARN),
    Value("logDestination", ARN),
    Value("logDestinationType", one_of("cloud-watch-logs", "s3", "kinesis-data-firehose")),
    Value("maxAggregationInterval", number_of(60, 600)),
    Value("trafficType", one_of("ACCEPT", "REJECT", "ALL")),
)
TABLE: dict[str, tuple[str, tuple[Check, ...]]] = {
    "aws:ec2/vpc:Vpc": ("ec2/vpc_.go", VPC),
    "aws:ec2/subnet:Subnet": ("ec2/vpc_subnet.go", (Value("cidrBlock", IPV4_RANGE),)),
    "aws:ec2/securityGroup:SecurityGroup": ("ec2/vpc_security_group.go", GROUP),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("ec2/vpc_security_group_ingress_rule.go", RULE),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("ec2/vpc_security_group_egress_rule.go", RULE),
    "aws:ec2/route:Route": ("ec2/vpc_route.go", ROUTE),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("ec2/vpc_endpoint.go", ENDPOINT),
    "aws:ec2/natGateway:NatGateway": ("ec2/vpc_nat_gateway.go", NAT),
    "aws:ec2/flowLog:FlowLog": ("ec2/vpc_flow_log.go", FLOW_LOG),
    "aws:ec2/eip:Eip": ("ec2/ec2_eip.go", (Value("domain", one_of("vpc", "standard")),)),
}
