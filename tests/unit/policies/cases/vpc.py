"""VPCs and their parts."""

from infra.policies.aws_refuses.vpc import EGRESS, ENDPOINT, FLOW_LOG, GROUP, INGRESS, NAT, OLD_RULE, ROUTE, SUBNET, VPC
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import Case

IN_VPC = [Resource(VPC, "vpc", {"cidrBlock": "10.7.0.0/16"})]

CASES = [
    Case("network-ranges", VPC, {"cidrBlock": "10.0.0.0/15"}, {"cidrBlock": "10.0.0.0/16"}),
    Case("network-ranges", SUBNET, {"cidrBlock": "10.0.0.0/29"}, {"cidrBlock": "10.0.0.0/28"}),
    Case("network-ranges", VPC, {"cidrBlock": "10.0.0.1/16"}, {"cidrBlock": UNKNOWN}),
    Case(
        "subnet-in-its-vpc",
        SUBNET,
        {"cidrBlock": "10.8.0.0/24", "vpcId": UNKNOWN},
        {"cidrBlock": "10.7.9.0/24", "vpcId": UNKNOWN},
        IN_VPC,
        {"vpcId": ["vpc"]},
    ),
    Case(
        "subnet-in-its-vpc",
        SUBNET,
        {"cidrBlock": "10.7.0.0/24", "vpcId": UNKNOWN},
        {"cidrBlock": "10.7.1.0/24", "vpcId": UNKNOWN},
        [*IN_VPC, Resource(SUBNET, "other", {"cidrBlock": "10.7.0.0/25"}, {"vpcId": ["vpc"]})],
        {"vpcId": ["vpc"]},
    ),
    Case("security-group-names", GROUP, {"name": "sg-nodes"}, {"name": "nodes-sg"}),
    Case("security-group-names", GROUP, {"description": "50 % of the nodes"}, {"description": "traffic of nodes"}),
    Case(
        "rule-ports",
        INGRESS,
        {"ipProtocol": "tcp", "fromPort": 443, "toPort": 80},
        {"ipProtocol": "tcp", "fromPort": 80, "toPort": 443},
    ),
    Case("rule-ports", EGRESS, {"ipProtocol": "-1", "fromPort": 80}, {"ipProtocol": "-1"}),
    Case(
        "rule-sides",
        INGRESS,
        {"cidrIpv4": "10.0.0.0/8", "referencedSecurityGroupId": UNKNOWN},
        {"referencedSecurityGroupId": UNKNOWN},
    ),
    Case("old-rule-sides", OLD_RULE, {"protocol": "tcp"}, {"protocol": "tcp", "self": True}),
    Case("whole-ranges", INGRESS, {"cidrIpv4": "10.0.0.5/8"}, {"cidrIpv4": "10.0.0.5/32"}),
    Case(
        "endpoint-kinds",
        ENDPOINT,
        {"serviceName": "com.amazonaws.us-east-1.sqs"},
        {"serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": [UNKNOWN]},
    ),
    Case(
        "endpoint-kinds",
        ENDPOINT,
        {"vpcEndpointType": "Interface", "routeTableIds": [UNKNOWN]},
        {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN], "privateDnsEnabled": True},
    ),
    Case("nat-addresses", NAT, {"subnetId": UNKNOWN}, {"subnetId": UNKNOWN, "allocationId": UNKNOWN}),
    Case(
        "flow-logs",
        FLOW_LOG,
        {"vpcId": UNKNOWN, "trafficType": "ALL", "logDestination": UNKNOWN},
        {"vpcId": UNKNOWN, "trafficType": "ALL", "logDestination": UNKNOWN, "iamRoleArn": UNKNOWN},
    ),
    Case(
        "routes",
        ROUTE,
        {"destinationCidrBlock": "0.0.0.0/0", "gatewayId": UNKNOWN, "natGatewayId": UNKNOWN},
        {"destinationCidrBlock": "0.0.0.0/0", "natGatewayId": UNKNOWN},
    ),
]
