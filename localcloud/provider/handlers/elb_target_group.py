"""Target groups."""

from typing import Any

from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, key_values, tag_outputs
from localcloud.provider.handlers.elb_resource import Attribute, Elb, attributes_to_set, read_attributes, tags_of
from localcloud.provider.resource import AutoName, Aws, chosen, names
from localcloud.provider.values import Properties

# From ModifyTargetGroupAttributes in the API reference, with its defaults.
_ATTRIBUTES = {
    "deregistrationDelay": Attribute("deregistration_delay.timeout_seconds", 300),
    "slowStart": Attribute("slow_start.duration_seconds", 0),
    "loadBalancingAlgorithmType": Attribute("load_balancing.algorithm.type", "round_robin"),
}


class TargetGroup(Elb):
    token = "aws:lb/targetGroup:TargetGroup"
    health = names("enabled path port protocol interval timeout healthyThreshold unhealthyThreshold matcher")
    inputs = (
        names("name port protocol protocolVersion vpcId targetType")
        | frozenset(f"healthCheck.{name}" for name in health)
        | frozenset(_ATTRIBUTES)
        | TAG_INPUTS
    )
    outputs = (
        names("arn arnSuffix name port protocol protocolVersion vpcId targetType healthCheck")
        | frozenset(_ATTRIBUTES)
        | TAG_OUTPUTS
    )
    replaced_by = names("name port protocol protocolVersion vpcId targetType")
    auto_name = AutoName(longest=32)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("name", "port", "protocol", "protocolVersion", "vpcId", "targetType"))
        if tags := inputs.get("tags"):
            given["Tags"] = key_values(tags)
        reply = aws.client("elbv2").create_target_group(**given, **_health(inputs))
        return str(reply["TargetGroups"][0]["TargetGroupArn"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        client = aws.client("elbv2")
        present = client.describe_target_group_attributes(TargetGroupArn=id_)["Attributes"]
        if attributes := attributes_to_set(inputs, present, _ATTRIBUTES):
            client.modify_target_group_attributes(TargetGroupArn=id_, Attributes=attributes)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        client = aws.client("elbv2")
        group = client.describe_target_groups(TargetGroupArns=[id_])["TargetGroups"][0]
        attributes = client.describe_target_group_attributes(TargetGroupArn=id_)["Attributes"]
        return {
            "arn": id_,
            "arnSuffix": id_.split(":")[-1],
            "healthCheck": _read_health(group),
            "name": group["TargetGroupName"],
            "port": group["Port"],
            "protocol": group["Protocol"],
            "protocolVersion": group.get("ProtocolVersion", "HTTP1"),
            "targetType": group["TargetType"],
            "vpcId": group["VpcId"],
            **read_attributes(attributes, _ATTRIBUTES),
            **tag_outputs(tags_of(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        if health := _health(inputs):
            aws.client("elbv2").modify_target_group(TargetGroupArn=id_, **health)
        self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_target_group(TargetGroupArn=id_)


def _health(inputs: Properties) -> dict[str, Any]:
    """The health check's arguments of CreateTargetGroup and ModifyTargetGroup."""
    check = dict(inputs.get("healthCheck", {}))
    named = {
        "enabled": "HealthCheckEnabled",
        "path": "HealthCheckPath",
        "port": "HealthCheckPort",
        "protocol": "HealthCheckProtocol",
        "interval": "HealthCheckIntervalSeconds",
        "timeout": "HealthCheckTimeoutSeconds",
        "healthyThreshold": "HealthyThresholdCount",
        "unhealthyThreshold": "UnhealthyThresholdCount",
    }
    given = {aws_name: check[name] for name, aws_name in named.items() if name in check}
    if "matcher" in check:
        given["Matcher"] = {"HttpCode": check["matcher"]}
    return given


def _read_health(group: dict[str, Any]) -> Properties:
    check = {
        "enabled": group.get("HealthCheckEnabled", True),
        "path": group.get("HealthCheckPath"),
        "port": group.get("HealthCheckPort"),
        "protocol": group.get("HealthCheckProtocol"),
        "interval": group.get("HealthCheckIntervalSeconds"),
        "timeout": group.get("HealthCheckTimeoutSeconds"),
        "healthyThreshold": group.get("HealthyThresholdCount"),
        "unhealthyThreshold": group.get("UnhealthyThresholdCount"),
        "matcher": group.get("Matcher", {}).get("HttpCode"),
    }
    return {key: value for key, value in check.items() if value is not None}
