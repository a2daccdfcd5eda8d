"""The policy pack: `pulumi preview --policy-pack infra/policies`. Serves the rules to the CLI until that ends."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the CLI starts this file by its folder

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from infra.policies.resource import Resource, Stack, plain
from infra.policies.rule import Rule, judged
from infra.policies.rules import every_rule

PACK = "warmfleet"


def policies(rules: Sequence[Rule]) -> list[Policy]:
    """One policy for each rule; those that look at several resources are asked when all are there.

    At that time the SDK shows outputs, in a preview unknown ones for everything that was not given. The rules are about
    inputs: the first policy remembers them.
    """
    inputs: dict[str, Resource] = {}
    made = [_of_stack(each, inputs) if each.whole_stack else _of_resource(each, inputs) for each in rules]
    return [_recorder(inputs), *made]


def _recorder(inputs: dict[str, Resource]) -> Policy:
    def record(args: ResourceValidationArgs, _: ReportViolation) -> None:
        inputs[args.urn] = Resource(args.resource_type, args.name, _opened(args.props))

    return ResourceValidationPolicy(
        "inputs", "Remembers the inputs; refuses nothing", record, EnforcementLevel.ADVISORY
    )


def _of_resource(each: Rule, inputs: Mapping[str, Resource]) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = inputs[args.urn]
        if each.is_about(resource):
            for finding in judged(each, resource, Stack([resource])):
                report(f"{finding.message} ({finding.source})", None)

    return ResourceValidationPolicy(each.id.replace("/", "-"), each.description, validate, _level(each))


def _of_stack(each: Rule, inputs: Mapping[str, Resource]) -> Policy:
    def validate(args: StackValidationArgs, report: Callable[[str, str | None], None]) -> None:
        resources = {found.urn: _referring(found, inputs[found.urn]) for found in args.resources if found.urn in inputs}
        stack = Stack(resources.values())
        for urn, resource in resources.items():
            if each.is_about(resource):
                for finding in judged(each, resource, stack):
                    report(f"{finding.message} ({finding.source})", urn)

    return StackValidationPolicy(each.id.replace("/", "-"), each.description, validate, _level(each))


def _referring(found: Any, given: Resource) -> Resource:
    behind = {prop: [each.name for each in made] for prop, made in found.property_dependencies.items()}
    return replace(given, refers_to=behind)


def _opened(props: Any) -> Mapping[str, Any]:
    """The inputs under the SDK's proxy, which raises where a value is not known yet."""
    opened: Mapping[str, Any] = plain(_bare(props))
    return opened


def _bare(value: Any) -> Any:
    target = getattr(value, "_DictProxy__target", None) or getattr(value, "_ListProxy__target", None)
    value = value if target is None else target
    if isinstance(value, Mapping):
        return {key: _bare(value[key]) for key in value}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def _level(each: Rule) -> EnforcementLevel:
    return EnforcementLevel.MANDATORY if each.mandatory else EnforcementLevel.ADVISORY


if __name__ == "__main__":
    PolicyPack(PACK, policies(every_rule()))
