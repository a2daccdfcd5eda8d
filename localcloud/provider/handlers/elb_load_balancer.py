"""Load balancers."""

from typing import Any

from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, key_values, tag_outputs
from localcloud.provider.handlers.elb_resource import Attribute, Elb, attributes_to_set, read_attributes, tags_of
from localcloud.provider.resource import AutoName, Aws, chosen, names
from localcloud.provider.values import Properties

# From ModifyLoadBalancerAttributes in the API reference, with its defaults.
_ATTRIBUTES = {
    "idleTimeout": Attribute("idle_timeout.timeout_seconds", 60),
    "clientKeepAlive": Attribute("client_keep_alive.seconds", 3600),
    "enableDeletionProtection": Attribute("deletion_protection.enabled", False),
    "enableHttp2": Attribute("routing.http2.enabled", True),
    "dropInvalidHeaderFields": Attribute("routing.http.drop_invalid_header_fields.enabled", False),
    "preserveHostHeader": Attribute("routing.http.preserve_host_header.enabled", False),
    "xffHeaderProcessingMode": Attribute("routing.http.xff_header_processing.mode", "append"),
    "desyncMitigationMode": Attribute("routing.http.desync_mitigation_mode", "defensive"),
}
# The same for what Pulumi nests in `accessLogs`.
_ACCESS_LOGS = {
    "enabled": Attribute("access_logs.s3.enabled", False),
    "bucket": Attribute("access_logs.s3.bucket", ""),
    "prefix": Attribute("access_logs.s3.prefix", ""),
}


class LoadBalancer(Elb):
    token = "aws:lb/loadBalancer:LoadBalancer"
    inputs = (
        names("name internal loadBalancerType securityGroups subnets ipAddressType")
        | frozenset(_ATTRIBUTES)
        | frozenset(f"accessLogs.{name}" for name in _ACCESS_LOGS)
        | TAG_INPUTS
    )
    outputs = (
        frozenset(path.split(".")[0] for path in inputs) | names("arn arnSuffix dnsName vpcId zoneId") | TAG_OUTPUTS
    )
    replaced_by = names("name internal loadBalancerType")
    unordered = names("securityGroups subnets")
    auto_name = AutoName(longest=32)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("name", "securityGroups", "subnets", "ipAddressType"))
        given["Type"] = inputs.get("loadBalancerType", "application")
        given["Scheme"] = "internal" if inputs.get("internal") else "internet-facing"
        if tags := inputs.get("tags"):
            given["Tags"] = key_values(tags)
        return str(aws.client("elbv2").create_load_balancer(**given)["LoadBalancers"][0]["LoadBalancerArn"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        client = aws.client("elbv2")
        present = client.describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
        attributes = attributes_to_set(inputs, present, _ATTRIBUTES)
        attributes += attributes_to_set(inputs.get("accessLogs", {}), present, _ACCESS_LOGS)
        if attributes:
            client.modify_load_balancer_attributes(LoadBalancerArn=id_, Attributes=attributes)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        client = aws.client("elbv2")
        balancer = client.describe_load_balancers(LoadBalancerArns=[id_])["LoadBalancers"][0]
        attributes = client.describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
        return {
            "arn": id_,
            "arnSuffix": id_.split(":loadbalancer/")[1],
            "dnsName": balancer["DNSName"],
            "internal": balancer["Scheme"] == "internal",
            "ipAddressType": balancer.get("IpAddressType", "ipv4"),
            "loadBalancerType": balancer["Type"],
            "name": balancer["LoadBalancerName"],
            "securityGroups": sorted(balancer.get("SecurityGroups", [])),
            "subnets": sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"]),
            "vpcId": balancer["VpcId"],
            "zoneId": balancer.get("CanonicalHostedZoneId", ""),
            **read_attributes(attributes, _ATTRIBUTES),
            **_access_logs(attributes),
            **tag_outputs(tags_of(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        client = aws.client("elbv2")
        if not self.same("securityGroups", inputs.get("securityGroups"), known.get("securityGroups")):
            client.set_security_groups(LoadBalancerArn=id_, SecurityGroups=inputs.get("securityGroups", []))
        if not self.same("subnets", inputs.get("subnets"), known.get("subnets")):
            client.set_subnets(LoadBalancerArn=id_, Subnets=inputs.get("subnets", []))
        kind = inputs.get("ipAddressType", known.get("ipAddressType"))
        if kind != known.get("ipAddressType"):
            client.set_ip_address_type(LoadBalancerArn=id_, IpAddressType=kind)
        self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_load_balancer(LoadBalancerArn=id_)


def _access_logs(attributes: list[dict[str, str]]) -> dict[str, Any]:
    """As a property; nothing where there never were any, which is the same as turned off."""
    found = read_attributes(attributes, _ACCESS_LOGS)
    shown = {key: value for key, value in found.items() if value != ""}
    return {"accessLogs": shown} if found.get("bucket") else {}
