"""One generic rule: what the API's own models say of lengths, ranges, patterns, enumerations and required members.

The models are botocore's, the ones that every AWS SDK is generated from. A property is found in them by its name, which
the provider takes over: `heartbeatTimeout` is HeartbeatTimeout. What has another name or another form there is passed
over: the hand-written rules are for that.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.resource import Resource, known, number
from infra.policies.rule import Rule, shown

# The operation that makes a resource, and the member of its input that the properties belong to, if not the whole.
OPERATIONS: Mapping[str, tuple[str, str, str]] = {
    "aws:autoscaling/group:Group": ("autoscaling", "CreateAutoScalingGroup", ""),
    "aws:autoscaling/lifecycleHook:LifecycleHook": ("autoscaling", "PutLifecycleHook", ""),
    "aws:autoscaling/policy:Policy": ("autoscaling", "PutScalingPolicy", ""),
    "aws:autoscaling/schedule:Schedule": ("autoscaling", "PutScheduledUpdateGroupAction", ""),
    "aws:autoscaling/notification:Notification": ("autoscaling", "PutNotificationConfiguration", ""),
    "aws:appautoscaling/policy:Policy": ("application-autoscaling", "PutScalingPolicy", ""),
    "aws:appautoscaling/target:Target": ("application-autoscaling", "RegisterScalableTarget", ""),
    "aws:ec2/launchTemplate:LaunchTemplate": ("ec2", "CreateLaunchTemplate", "LaunchTemplateData"),
    "aws:ec2/instance:Instance": ("ec2", "RunInstances", ""),
    "aws:ec2/vpc:Vpc": ("ec2", "CreateVpc", ""),
    "aws:ec2/subnet:Subnet": ("ec2", "CreateSubnet", ""),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("ec2", "CreateVpcEndpoint", ""),
    "aws:ec2/natGateway:NatGateway": ("ec2", "CreateNatGateway", ""),
    "aws:ec2/flowLog:FlowLog": ("ec2", "CreateFlowLogs", ""),
    "aws:ec2/eip:Eip": ("ec2", "AllocateAddress", ""),
    "aws:ebs/volume:Volume": ("ec2", "CreateVolume", ""),
    "aws:lb/loadBalancer:LoadBalancer": ("elbv2", "CreateLoadBalancer", ""),
    "aws:lb/targetGroup:TargetGroup": ("elbv2", "CreateTargetGroup", ""),
    "aws:lb/listener:Listener": ("elbv2", "CreateListener", ""),
    "aws:lb/listenerRule:ListenerRule": ("elbv2", "CreateRule", ""),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch", "PutMetricAlarm", ""),
    "aws:cloudwatch/dashboard:Dashboard": ("cloudwatch", "PutDashboard", ""),
    "aws:cloudwatch/logGroup:LogGroup": ("logs", "CreateLogGroup", ""),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": ("logs", "PutMetricFilter", ""),
    "aws:cloudwatch/eventRule:EventRule": ("events", "PutRule", ""),
    "aws:cloudwatch/eventTarget:EventTarget": ("events", "PutTargets", "Targets"),
    "aws:budgets/budget:Budget": ("budgets", "CreateBudget", "Budget"),
    "aws:iam/role:Role": ("iam", "CreateRole", ""),
    "aws:iam/rolePolicy:RolePolicy": ("iam", "PutRolePolicy", ""),
    "aws:iam/policy:Policy": ("iam", "CreatePolicy", ""),
    "aws:iam/instanceProfile:InstanceProfile": ("iam", "CreateInstanceProfile", ""),
    "aws:kms/key:Key": ("kms", "CreateKey", ""),
    "aws:kms/alias:Alias": ("kms", "CreateAlias", ""),
    "aws:ssm/parameter:Parameter": ("ssm", "PutParameter", ""),
    "aws:sns/topicSubscription:TopicSubscription": ("sns", "Subscribe", ""),
    "aws:lambda/function:Function": ("lambda", "CreateFunction", ""),
    "aws:secretsmanager/secret:Secret": ("secretsmanager", "CreateSecret", ""),
    "aws:s3/bucketVersioning:BucketVersioning": ("s3", "PutBucketVersioning", ""),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        "s3",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": (
        "s3",
        "PutObjectLockConfiguration",
        "ObjectLockConfiguration",
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ("s3", "PutBucketOwnershipControls", ""),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("s3", "PutObject", ""),
}
# Members of a resource that another operation takes.
NESTED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "aws:autoscaling/group:Group": {
        "warmPool": ("autoscaling", "PutWarmPool"),
        "instanceRefresh": ("autoscaling", "StartInstanceRefresh"),
        "initialLifecycleHooks": ("autoscaling", "PutLifecycleHook"),
    },
}
GIVEN_BY_THE_RESOURCE = {"AutoScalingGroupName", "LifecycleHookName"}
# Names that mean something else on the two sides, or that the provider makes of several.
OTHERS = {
    ("aws:budgets/budget:Budget", "name"),  # made by the provider when it is not given
    ("aws:s3/bucketObjectv2:BucketObjectv2", "source"),
    ("aws:s3/bucketObjectv2:BucketObjectv2", "metadata"),
    ("aws:autoscaling/group:Group", "tags"),
    ("aws:ec2/instance:Instance", "networkInterfaces"),
}


def constraints(resource: Resource) -> Iterator[str]:
    """Lengths, ranges, patterns, enumerations and required members that the API's model states."""
    service, operation, member = OPERATIONS[resource.type]
    shape = _input(service, operation)
    if member:
        shape = shape.members[member]
        shape = shape.member if shape.type_name == "list" else shape
    own = {key: value for key, value in resource.props.items() if (resource.type, key) not in OTHERS}
    nested = NESTED.get(resource.type, {})
    if "name" in own and (named := _named(shape, resource.type)):
        yield from _value(shape.members[named], own.pop("name"), "name")
    yield from _structure(shape, {key: value for key, value in own.items() if key not in nested}, "")
    for key, (service, operation) in nested.items():
        for place, value in resource.known(f"{key}[]"):
            if isinstance(value, Mapping):
                yield from _structure(_input(service, operation), value, f"{place}.")


RULES = [
    Rule(
        "aws_refuses/api-model",
        tuple(OPERATIONS),
        constraints,
        "https://github.com/boto/botocore/tree/develop/botocore/data",
    )
]


@functools.cache
def _input(service: str, operation: str) -> Any:
    """The shape of an operation's input. Reading a service's model takes 20 to 600 ms, once."""
    return _service(service).operation_model(operation).input_shape


@functools.cache
def _service(name: str) -> Any:
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    return ServiceModel(create_loader().load_service_model(name, "service-2"), name)


@functools.cache
def _members(shape: Any) -> Mapping[str, str]:
    return {_normal(name): name for name in shape.members}


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _member(shape: Any, name: str) -> str | None:
    """The member that a property stands for: by its name, or by that in the singular or plural."""
    members, wanted = _members(shape), _normal(name)
    return members.get(wanted) or members.get(f"{wanted}s") or members.get(wanted.removesuffix("s"))


@functools.cache
def _named(shape: Any, token: str) -> str | None:
    """The member that holds a resource's name, where it is not just Name: AlarmName for a MetricAlarm."""
    words = re.findall(r"[A-Z][a-z0-9]*", token.rpartition(":")[2])
    endings = [_normal("".join(words[start:])) + "name" for start in range(len(words))]
    return next((_members(shape)[each] for end in endings for each in _members(shape) if each.endswith(end)), None)


def _structure(shape: Any, value: Mapping[str, Any], at: str) -> Iterator[str]:
    found = set()
    for name, each in value.items():
        member = _member(shape, name)
        if member is not None:
            found.add(member)
            yield from _value(shape.members[member], each, f"{at}{name}")
    if at and found:  # at the top the provider fills in names
        for missing in sorted(set(shape.required_members) - found - GIVEN_BY_THE_RESOURCE):
            yield f"{at}{missing[0].lower()}{missing[1:]} is missing; give it"


def _value(shape: Any, value: Any, place: str) -> Iterator[str]:
    if not known(value):
        return
    kind = shape.type_name
    if kind == "structure":
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, Mapping):
            yield from _structure(shape, value, f"{place}.")
    elif kind == "list" and isinstance(value, list):
        yield from _length(shape, value, place, "members")
        for number_, each in enumerate(value):
            yield from _value(shape.member, each, f"{place}[{number_}]")
    elif kind == "string" and isinstance(value, str) and value:
        yield from _text(shape, value, place)
    elif kind in ("integer", "long", "float", "double"):
        yield from _number(shape, number(value), place)


def _text(shape: Any, value: str, place: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        allowed = shape.enum if len(shape.enum) <= 12 else [*shape.enum[:12], "…"]
        if not (len(shape.enum) > 100 or re.fullmatch(r"[A-Z0-9_ -]+", value.upper()) is None):
            yield f"{place} is {value!r}; must be one of {', '.join(allowed)}"
        return
    yield from _length(shape, value, place, "characters")
    pattern = _pattern(shape.metadata.get("pattern"))
    if pattern is not None and not pattern.search(value):
        yield f"{place} is {shown(value)}; must match {shape.metadata['pattern']}"


def _length(shape: Any, value: Any, place: str, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        yield f"{place} has {len(value)} {what}; must be {_limits(least, most)}"


def _number(shape: Any, value: float | None, place: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if value is not None and ((least is not None and value < least) or (most is not None and value > most)):
        yield f"{place} is {value:g}; must be {_limits(least, most)}"


def _limits(least: Any, most: Any) -> str:
    if most is None:
        return f"at least {least}"
    return f"{least} to {most}" if least is not None else f"at most {most}"


@functools.cache
def _pattern(text: str | None) -> re.Pattern[str] | None:
    """A whole-value pattern. One in Java's own syntax, with \\p, is passed over."""
    if not text or "\\p" in text:
        return None
    try:
        return re.compile(rf"\A(?:{text})\Z")
    except re.error:
        return None
