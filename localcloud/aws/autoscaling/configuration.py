"""What a group launches from: template, version, types and markets, as a value that can be kept and put back."""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIELDS = (
    "launch_config",
    "launch_config_name",
    "ec2_launch_template",
    "launch_template_version",
    "provided_launch_template_version",
    "mixed_instances_policy",
)
MOVING_VERSIONS = ("$latest", "$default")
SSM_IMAGE = (
    "resolve:ssm:"  # https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
)


@dataclass(frozen=True)
class Configuration:
    """The settings of a moto group that decide what an instance is launched from."""

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, group: Any) -> "Configuration":
        policy = {"mixed_instances_policy": copy.deepcopy(group.mixed_instances_policy)}  # moto completes it in place
        return cls({name: getattr(group, name, None) for name in FIELDS} | policy)

    @classmethod
    def desired(cls, group: Any, given: Mapping[str, Any]) -> "Configuration":
        """A DesiredConfiguration of StartInstanceRefresh. Raises ValidationError for what cannot be launched from."""
        with kept(group):
            policy = copy.deepcopy(given.get("MixedInstancesPolicy"))
            group.set_source(launch_template=given.get("LaunchTemplate"), mixed_instances_policy=policy)
            group.check_template()
            return cls.of(group)

    def put_on(self, group: Any) -> None:
        """Make the group launch from this."""
        for name, value in self.settings.items():
            setattr(group, name, value)

    def irreversible(self) -> str:
        """Why AWS does not roll back to this; empty when it does.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
        """
        template, version = self.settings["ec2_launch_template"], str(self.settings.get("launch_template_version"))
        if template is None:
            return "the Auto Scaling group uses a launch configuration"
        if version.lower() in MOVING_VERSIONS:
            return f"the Auto Scaling group uses the launch template's {version} version"
        if str(template.get_version(version).image_id).startswith(SSM_IMAGE):
            return "the launch template uses an AWS Systems Manager parameter instead of an AMI ID"
        return ""


@contextlib.contextmanager
def kept(group: Any) -> Iterator[None]:
    """Whatever is put on the group inside, afterwards it is as it was."""
    before = Configuration.of(group)
    try:
        yield
    finally:
        before.put_on(group)


@contextlib.contextmanager
def launching(group: Any, configuration: Configuration | None) -> Iterator[None]:
    """Inside, the group launches from `configuration`; None stands for its own."""
    with kept(group):
        if configuration:
            configuration.put_on(group)
        yield


def buys_spot(policy: Mapping[str, Any] | None) -> bool:
    """Whether a mixed instances policy launches Spot Instances at all."""
    distribution = (policy or {}).get("InstancesDistribution") or {}
    return policy is not None and int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100)) < 100


def weighted(policy: Mapping[str, Any] | None) -> bool:
    """Whether a mixed instances policy weighs its types."""
    overrides = ((policy or {}).get("LaunchTemplate") or {}).get("Overrides") or []
    return any(each.get("WeightedCapacity") for each in overrides)
