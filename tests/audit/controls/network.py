"""VPCs, their security groups, network ACLs and routes. AWS's default VPC is not the stack's: nothing looks at it."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import Control, Look, Seen, unless

SSH, RDP = 22, 3389
WEB = (80, 443)  # what EC2.18 lets everybody reach
# https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-19
LOW = (20, 21, 22, 23, 25, 110, 135, 143, 445)
HIGH = (1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601, 8080, 8088, 8888, 9200, 9300)
RISKY = (*LOW, *HIGH)
IPV4, IPV6 = "0.0.0.0/0", "::/0"
ALL_PORTS = (0, 65535)


def vpcs(aws: LocalAws) -> list[Any]:
    return [each for each in aws.client("ec2").describe_vpcs()["Vpcs"] if not each["IsDefault"]]


def _of_vpcs(aws: LocalAws, question: str, key: str) -> list[Any]:
    """Everything of a kind in our VPCs."""
    ids = [each["VpcId"] for each in vpcs(aws)]
    if not ids:
        return []
    found: list[Any] = getattr(aws.client("ec2"), question)(Filters=[{"Name": "vpc-id", "Values": ids}])[key]
    return found


def security_groups(aws: LocalAws) -> list[Any]:
    return _of_vpcs(aws, "describe_security_groups", "SecurityGroups")


def default_group_is_shut(aws: LocalAws) -> Iterator[Seen]:
    for each in security_groups(aws):
        if each["GroupName"] == "default":
            shut = not each["IpPermissions"] and not each["IpPermissionsEgress"]
            yield _group(each), unless(shut, "lets traffic through, and is everyone's default")


def refused_connections_are_logged(aws: LocalAws) -> Iterator[Seen]:
    logs = aws.client("ec2").describe_flow_logs()["FlowLogs"]
    watched = {each["ResourceId"] for each in logs if each["TrafficType"] in ("REJECT", "ALL")}
    for each in vpcs(aws):
        yield f"VPC {each['VpcId']}", unless(each["VpcId"] in watched, "has no flow log of refused connections")


def gives_no_public_addresses(aws: LocalAws) -> Iterator[Seen]:
    for each in _of_vpcs(aws, "describe_subnets", "Subnets"):
        yield f"subnet {each['SubnetId']}", unless(not each["MapPublicIpOnLaunch"], "gives instances public addresses")


def ports_open(group: Any, sources: Sequence[str] = (IPV4, IPV6)) -> list[tuple[int, int]]:
    """The ranges of ports that everybody reaches."""
    found = []
    for rule in group["IpPermissions"]:
        ranges = [each["CidrIp"] for each in rule["IpRanges"]] + [each["CidrIpv6"] for each in rule["Ipv6Ranges"]]
        if set(ranges) & set(sources):
            every = rule["IpProtocol"] == "-1"
            found.append(ALL_PORTS if every else (rule.get("FromPort", 0), rule.get("ToPort", 65535)))
    return found


def nobody_reaches(ports: Sequence[int], sources: Sequence[str] = (IPV4, IPV6)) -> Look:
    """None of these ports is open to everybody."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        for each in security_groups(aws):
            ranges = ports_open(each, sources)
            reached = [port for port in ports if any(first <= port <= last for first, last in ranges)]
            yield _group(each), unless(not reached, f"lets everybody reach {reached}")

    return look


def everybody_reaches_the_web_alone(aws: LocalAws) -> Iterator[Seen]:
    for each in security_groups(aws):
        others = [ports for ports in ports_open(each) if ports not in [(port, port) for port in WEB]]
        yield _group(each), unless(not others, f"lets everybody reach ports {others}")


def acls_refuse_remote_administration(aws: LocalAws) -> Iterator[Seen]:
    for each in _of_vpcs(aws, "describe_network_acls", "NetworkAcls"):
        reached = [port for port in (SSH, RDP) if _acl_lets_in(each["Entries"], port)]
        yield f"network ACL of {each['VpcId']}", unless(not reached, f"lets everybody reach {reached}")


def _acl_lets_in(entries: Sequence[Any], port: int) -> bool:
    """The first rule that fits decides, as on AWS."""
    for each in sorted(entries, key=lambda entry: int(entry["RuleNumber"])):
        range_ = each.get("PortRange", {"From": 0, "To": 65535})
        everybody = each.get("CidrBlock") == IPV4 or each.get("Ipv6CidrBlock") == IPV6
        if not each["Egress"] and everybody and range_["From"] <= port <= range_["To"]:
            return bool(each["RuleAction"] == "allow")
    return False


def peers_are_reached_in_part(aws: LocalAws) -> Iterator[Seen]:
    """A route through a peering leads to less than the whole VPC behind it."""
    whole = {ip_network(each["CidrBlock"]) for each in aws.client("ec2").describe_vpcs()["Vpcs"]}
    for table in _of_vpcs(aws, "describe_route_tables", "RouteTables"):
        for route in table["Routes"]:
            if "VpcPeeringConnectionId" in route:
                narrow = ip_network(route["DestinationCidrBlock"]) not in whole
                yield f"route table {table['RouteTableId']}", unless(narrow, "leads to the whole of a peer")


def _group(group: Any) -> str:
    return f"security group {group['GroupName']}"


CONTROLS = (
    Control("EC2.2", "Default security groups let nothing through", default_group_is_shut),
    Control("EC2.6", "VPCs log refused connections", refused_connections_are_logged),
    Control("EC2.13", "Nobody outside reaches port 22", nobody_reaches([SSH])),
    Control("EC2.14", "Nobody outside reaches port 3389", nobody_reaches([RDP])),
    Control("EC2.15", "Subnets give no public addresses", gives_no_public_addresses),
    Control("EC2.18", "Everybody reaches ports 80 and 443 at most", everybody_reaches_the_web_alone),
    Control("EC2.19", "Nobody outside reaches ports of high risk", nobody_reaches(RISKY)),
    Control("EC2.21", "Network ACLs refuse ports 22 and 3389", acls_refuse_remote_administration),
    Control("CIS 4.7", "VPCs log refused connections", refused_connections_are_logged),
    Control("CIS 6.2", "Network ACLs refuse remote administration", acls_refuse_remote_administration),
    Control("CIS 6.3", "No remote administration from all of IPv4", nobody_reaches([SSH, RDP], [IPV4])),
    Control("CIS 6.4", "No remote administration from all of IPv6", nobody_reaches([SSH, RDP], [IPV6])),
    Control("CIS 6.5", "Default security groups let nothing through", default_group_is_shut),
    Control("CIS 6.6", "Routes to peers lead to what is needed", peers_are_reached_in_part),
)
