"""Load balancers, target groups and listeners (Elastic Load Balancing, version 2)."""

from collections.abc import Mapping
from typing import Any

from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, camel, chosen, names, pascal
from localcloud.provider.values import Properties

# Pulumi's property, AWS's attribute, and how its text is read. From ModifyLoadBalancerAttributes and
# ModifyTargetGroupAttributes in the API reference.
_BALANCER_ATTRIBUTES = {
    "idleTimeout": ("idle_timeout.timeout_seconds", int),
    "clientKeepAlive": ("client_keep_alive.seconds", int),
    "enableDeletionProtection": ("deletion_protection.enabled", bool),
    "enableHttp2": ("routing.http2.enabled", bool),
    "dropInvalidHeaderFields": ("routing.http.drop_invalid_header_fields.enabled", bool),
    "preserveHostHeader": ("routing.http.preserve_host_header.enabled", bool),
    "xffHeaderProcessingMode": ("routing.http.xff_header_processing.mode", str),
    "desyncMitigationMode": ("routing.http.desync_mitigation_mode", str),
}
_TARGET_ATTRIBUTES = {
    "deregistrationDelay": ("deregistration_delay.timeout_seconds", int),
    "slowStart": ("slow_start.duration_seconds", int),
    "loadBalancingAlgorithmType": ("load_balancing.algorithm.type", str),
}


class _Elb(Handler):
    """What the three types have in common: an ARN as id, and tags by ARN."""

    def set_tags(self, aws: Aws, id_: str, inputs: Properties) -> None:
        client, wanted, present = aws.client("elbv2"), inputs.get("tags", {}), _tags(aws, id_)
        if removed := [key for key in present if key not in wanted]:
            client.remove_tags(ResourceArns=[id_], TagKeys=removed)
        if wanted and wanted != present:
            client.add_tags(ResourceArns=[id_], Tags=key_values(wanted))


class LoadBalancer(_Elb):
    token = "aws:lb/loadBalancer:LoadBalancer"
    inputs = (
        names("name internal loadBalancerType securityGroups subnets ipAddressType")
        | frozenset(_BALANCER_ATTRIBUTES)
        | TAG_INPUTS
    )
    outputs = inputs | names("arn arnSuffix dnsName vpcId zoneId") | TAG_OUTPUTS
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
        if attributes := _attributes(inputs, _BALANCER_ATTRIBUTES):
            aws.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=id_, Attributes=attributes)

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
            **_read_attributes(attributes, _BALANCER_ATTRIBUTES),
            **tag_outputs(_tags(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        client = aws.client("elbv2")
        if not self.same("securityGroups", inputs.get("securityGroups"), known.get("securityGroups")):
            client.set_security_groups(LoadBalancerArn=id_, SecurityGroups=inputs.get("securityGroups", []))
        if not self.same("subnets", inputs.get("subnets"), known.get("subnets")):
            client.set_subnets(LoadBalancerArn=id_, Subnets=inputs.get("subnets", []))
        self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_load_balancer(LoadBalancerArn=id_)


class TargetGroup(_Elb):
    token = "aws:lb/targetGroup:TargetGroup"
    health = names("enabled path port protocol interval timeout healthyThreshold unhealthyThreshold matcher")
    inputs = (
        names("name port protocol protocolVersion vpcId targetType")
        | frozenset(f"healthCheck.{name}" for name in health)
        | frozenset(_TARGET_ATTRIBUTES)
        | TAG_INPUTS
    )
    outputs = (
        names("arn arnSuffix name port protocol protocolVersion vpcId targetType healthCheck")
        | frozenset(_TARGET_ATTRIBUTES)
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
        if attributes := _attributes(inputs, _TARGET_ATTRIBUTES):
            aws.client("elbv2").modify_target_group_attributes(TargetGroupArn=id_, Attributes=attributes)

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
            **_read_attributes(attributes, _TARGET_ATTRIBUTES),
            **tag_outputs(_tags(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        if health := _health(inputs):
            aws.client("elbv2").modify_target_group(TargetGroupArn=id_, **health)
        self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_target_group(TargetGroupArn=id_)


class Listener(_Elb):
    token = "aws:lb/listener:Listener"
    inputs = (
        names("loadBalancerArn port protocol sslPolicy certificateArn defaultActions.type defaultActions.order")
        | names("defaultActions.targetGroupArn defaultActions.fixedResponse.contentType")
        | names("defaultActions.fixedResponse.messageBody defaultActions.fixedResponse.statusCode")
        | frozenset(
            f"defaultActions.redirect.{name}" for name in ("host", "path", "port", "protocol", "query", "statusCode")
        )
        | TAG_INPUTS
    )
    outputs = names("arn loadBalancerArn port protocol sslPolicy certificateArn defaultActions") | TAG_OUTPUTS
    replaced_by = names("loadBalancerArn")
    renamed: Mapping[str, str] = {"fixedResponse": "FixedResponseConfig", "redirect": "RedirectConfig"}

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = self._settings(inputs)
        if tags := inputs.get("tags"):
            given["Tags"] = key_values(tags)
        reply = aws.client("elbv2").create_listener(LoadBalancerArn=inputs["loadBalancerArn"], **given)
        return str(reply["Listeners"][0]["ListenerArn"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        listener = aws.client("elbv2").describe_listeners(ListenerArns=[id_])["Listeners"][0]
        certificates = listener.get("Certificates", [])
        return {
            "arn": id_,
            "loadBalancerArn": listener["LoadBalancerArn"],
            "port": listener["Port"],
            "protocol": listener["Protocol"],
            "sslPolicy": listener.get("SslPolicy") or "",
            "certificateArn": certificates[0]["CertificateArn"] if certificates else "",
            "defaultActions": [self._action(each) for each in listener["DefaultActions"]],
            **tag_outputs(_tags(aws, id_), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        aws.client("elbv2").modify_listener(ListenerArn=id_, **self._settings(inputs))
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("elbv2").delete_listener(ListenerArn=id_)

    def _settings(self, inputs: Properties) -> dict[str, Any]:
        given = chosen(inputs, ("port", "protocol", "sslPolicy"))
        given["DefaultActions"] = pascal(inputs["defaultActions"], self.renamed)
        if "certificateArn" in inputs:
            given["Certificates"] = [{"CertificateArn": inputs["certificateArn"]}]
        return given

    def _action(self, action: dict[str, Any]) -> Properties:
        # AWS repeats a forward to one target group as a weighted forward, which the program did not write.
        kept = {key: value for key, value in action.items() if key != "ForwardConfig"}
        turned: Properties = camel(kept, self.renamed)
        return turned


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    descriptions = aws.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return as_mapping(descriptions[0]["Tags"]) if descriptions else {}


def _attributes(inputs: Properties, table: Mapping[str, tuple[str, type]]) -> list[dict[str, str]]:
    given = {name: inputs[name] for name in table if name in inputs}
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    return [{"Key": table[name][0], "Value": text} for name, text in texts.items()]


def _read_attributes(attributes: list[dict[str, str]], table: Mapping[str, tuple[str, type]]) -> Properties:
    present = {each["Key"]: each["Value"] for each in attributes}
    return {
        name: present[key] == "true" if kind is bool else kind(present[key])
        for name, (key, kind) in table.items()
        if key in present
    }


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
