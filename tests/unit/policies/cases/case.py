"""A case of a rule, and the inputs that cases of several services are made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.policies.resource import UNKNOWN, Resource

Props = Mapping[str, Any]
TYPE_AND_REQUIREMENTS = {"instanceType": "c7i.xlarge", "instanceRequirements": {"vcpuCount": {"min": 4}}}
EVERYBODY = {"Principal": "*", "Resource": "*"}


@dataclass(frozen=True)
class Case:
    """`wrong` breaks the rule `id`, `right` does not; both are the inputs of a resource `subject` of this type."""

    id: str
    type: str
    wrong: Props
    right: Props
    others: Sequence[Resource] = ()
    refers_to: Mapping[str, Sequence[str]] = field(default_factory=dict)
    right_others: Sequence[Resource] | None = None
    group: str = "aws_refuses"

    @property
    def rule(self) -> str:
        return f"{self.group}/{self.id}"

    def resources(self, props: Props, others: Sequence[Resource]) -> list[Resource]:
        return [Resource(self.type, "subject", props, self.refers_to), *others]


def mixed(*types: str, share: Any = 0, **distribution: Any) -> Props:
    return {
        "mixedInstancesPolicy": {
            "launchTemplate": {
                "launchTemplateSpecification": {"launchTemplateId": UNKNOWN, "version": "3"},
                "overrides": [{"instanceType": each} for each in types],
            },
            "instancesDistribution": {"onDemandPercentageAboveBaseCapacity": share, **distribution},
        }
    }


def disk(**given: Any) -> Props:
    return {"blockDeviceMappings": [{"deviceName": "/dev/sda1", "ebs": {"volumeSize": 100, **given}}]}


def text(document: Any) -> str:
    return json.dumps(document)


def statement(**given: Any) -> str:
    return text({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", **given}]})
