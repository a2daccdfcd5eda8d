"""Decisions about a group's size, as functions of numbers: bounds, market, zone, and who goes first."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from localcloud.aws.autoscaling.errors import ValidationError

SPOT, ON_DEMAND = "spot", "on-demand"
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html
DISTRIBUTION_DEFAULTS: Mapping[str, Any] = {
    "OnDemandAllocationStrategy": "prioritized",
    "OnDemandBaseCapacity": 0,
    "OnDemandPercentageAboveBaseCapacity": 100,
    "SpotAllocationStrategy": "lowest-price",
}
Place = TypeVar("Place")


def check_bounds(least: int, most: int, desired: int | None) -> None:
    """Raises ValidationError as CreateAutoScalingGroup and UpdateAutoScalingGroup do."""
    if least > most:
        raise ValidationError(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if desired is not None and not least <= desired <= most:
        bounds = f"the specified min size:{least} and max size:{most}"
        raise ValidationError(f"Desired capacity:{desired} must be between {bounds}")


def check_desired(name: str, least: int, most: int, desired: int) -> None:
    """Raises ValidationError as SetDesiredCapacity does.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html
    """
    if desired > most:
        limit = f"above max value {most}"
    elif desired < least:
        limit = f"below min value {least}"
    else:
        return
    raise ValidationError(f"New SetDesiredCapacity value {desired} is {limit} for the AutoScalingGroup {name}.")


def check_decrement(least: int, desired: int) -> None:
    """Raises ValidationError as TerminateInstanceInAutoScalingGroup with ShouldDecrementDesiredCapacity does."""
    if desired <= least:
        raise ValidationError(
            f"Currently, desiredSize equals minSize ({least}). Terminating instance without replacement will violate "
            "group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's "
            "min size."
        )


def desired_after_update(present: int, least: int, most: int, asked: int | None) -> int:
    """What UpdateAutoScalingGroup makes of the desired capacity: new bounds move it when it is not given.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
    """
    return min(max(present, least), most) if asked is None else asked


def on_demand_wanted(policy: Mapping[str, Any] | None, target: int) -> int:
    """How many of `target` instances shall be on-demand; a fraction counts for On-Demand.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/mixed-instances-groups-set-up-overview.html
    """
    if policy is None:
        return target
    distribution = {**DISTRIBUTION_DEFAULTS, **(policy.get("InstancesDistribution") or {})}
    base = int(distribution["OnDemandBaseCapacity"])
    share = int(distribution["OnDemandPercentageAboveBaseCapacity"])
    return min(base, target) + math.ceil(max(0, target - base) * share / 100)


def override_types(policy: Mapping[str, Any] | None, default: str) -> list[str]:
    """The types to try, in order of preference."""
    overrides = ((policy or {}).get("LaunchTemplate") or {}).get("Overrides") or []
    return [each["InstanceType"] for each in overrides if each.get("InstanceType")] or [default]


def emptiest_first(places: Sequence[Place], zone: Callable[[Place], str], present: Iterable[str]) -> list[Place]:
    """Places in the order to try: zones with the fewest instances first, else as given."""
    count = Counter(present)
    return sorted(places, key=lambda each: count[zone(each)])


def first_to_go(members: Sequence[Any], policy: Mapping[str, Any] | None, target: int, outdated: Any) -> Any:
    """The member that scale-in takes next: default termination policy.

    Zones are balanced first; then the market that has too many, members of an outdated launch template, the oldest.
    Members that are not in service yet go before all others: they serve nobody.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
    """
    zones = Counter(each.availability_zone for each in members)
    on_demand = sum(each.market == ON_DEMAND for each in members)
    surplus = ON_DEMAND if on_demand > on_demand_wanted(policy, target) else SPOT

    def rank(member: Any) -> tuple[Any, ...]:
        in_service = member.lifecycle_state == "InService"
        place = -zones[member.availability_zone]
        return in_service, place, member.market != surplus, not outdated(member), member.instance.launch_time

    return min(members, key=rank)
