"""One generic rule: what the API's own models say of lengths, ranges, patterns, enumerations and required members.

The models are botocore's, the ones that every AWS SDK is generated from. A property is found in them by its name, which
the provider takes over: `heartbeatTimeout` is HeartbeatTimeout. What has another name or another form there is passed
over: the hand-written rules are for that.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.policies.api_operations import NESTED, OPERATIONS
from infra.policies.api_shapes import Shape, input_of, normal
from infra.policies.resource import Resource, known, number
from infra.policies.rule import Rule, shown

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
    shape = input_of(OPERATIONS[resource.type])
    own = {key: value for key, value in resource.props.items() if (resource.type, key) not in OTHERS}
    nested = NESTED.get(resource.type, {})
    if "name" in own and (named := _named(shape, resource.type)):
        yield from _value(shape.member(named), own.pop("name"), "name")
    yield from _structure(shape, {key: value for key, value in own.items() if key not in nested}, "")
    for key, operation in nested.items():
        for place, value in resource.known(f"{key}[]"):
            if isinstance(value, Mapping):
                yield from _structure(input_of(operation), value, f"{place}.")


RULES = [
    Rule(
        "aws_refuses/api-model",
        tuple(OPERATIONS),
        constraints,
        "https://github.com/boto/botocore/tree/develop/botocore/data",
    )
]


def _member(shape: Shape, name: str) -> str | None:
    """The member that a property stands for: by its name, or by that in the singular or plural."""
    members, wanted = shape.member_names, normal(name)
    return members.get(wanted) or members.get(f"{wanted}s") or members.get(wanted.removesuffix("s"))


@functools.cache
def _named(shape: Shape, token: str) -> str | None:
    """The member that holds a resource's name, where it is not just Name: AlarmName for a MetricAlarm."""
    words = re.findall(r"[A-Z][a-z0-9]*", token.rpartition(":")[2])
    endings = [normal("".join(words[start:])) + "name" for start in range(len(words))]
    members = shape.member_names
    return next((members[each] for end in endings for each in members if each.endswith(end)), None)


def _structure(shape: Shape, value: Mapping[str, Any], at: str) -> Iterator[str]:
    found = set()
    for name, each in value.items():
        member = _member(shape, name)
        if member is not None:
            found.add(member)
            yield from _value(shape.member(member), each, f"{at}{name}")
    if at and found:  # at the top the provider fills in names
        for missing in sorted(set(shape.required) - found - GIVEN_BY_THE_RESOURCE):
            yield f"{at}{missing[0].lower()}{missing[1:]} is missing; give it"


def _value(shape: Shape | None, value: Any, place: str) -> Iterator[str]:
    if shape is None or not known(value):
        return
    if shape.kind == "structure":
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, Mapping):
            yield from _structure(shape, value, f"{place}.")
    elif shape.kind == "list" and isinstance(value, list):
        yield from _length(shape, value, place, "members")
        for number_, each in enumerate(value):
            yield from _value(shape.each, each, f"{place}[{number_}]")
    elif shape.kind == "string" and isinstance(value, str) and value:
        yield from _text(shape, value, place)
    elif shape.kind == "number":
        yield from _number(shape, number(value), place)


def _text(shape: Shape, value: str, place: str) -> Iterator[str]:
    values = shape.enumeration
    if values and value not in values:
        if re.fullmatch(r"[A-Z0-9_ -]+", value.upper()):
            yield f"{place} is {value!r}; must be one of {', '.join(values[:12])}{', …' if len(values) > 12 else ''}"
        return
    yield from _length(shape, value, place, "characters")
    if shape.pattern is not None and not shape.pattern.search(value):
        yield f"{place} is {shown(value)}; must match {shape.fields['pattern']}"


def _length(shape: Shape, value: Any, place: str, what: str) -> Iterator[str]:
    if not _within(shape, len(value)):
        yield f"{place} has {len(value)} {what}; must be {_limits(shape)}"


def _number(shape: Shape, value: float | None, place: str) -> Iterator[str]:
    if value is not None and not _within(shape, value):
        yield f"{place} is {value:g}; must be {_limits(shape)}"


def _within(shape: Shape, value: float) -> bool:
    return (shape.least is None or value >= shape.least) and (shape.most is None or value <= shape.most)


def _limits(shape: Shape) -> str:
    if shape.most is None:
        return f"at least {shape.least}"
    return f"{shape.least} to {shape.most}" if shape.least is not None else f"at most {shape.most}"
