"""What a request for an instance refresh may say.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.aws.autoscaling.errors import NotSimulatedError, ValidationError

ROLLING = "Rolling"
REFRESH, IGNORE, WAIT, TERMINATE = "Refresh", "Ignore", "Wait", "Terminate"
DEFAULT_LEAST, DEFAULT_MOST = 90, 100
NOT_SIMULATED = ("CheckpointPercentages", "CheckpointDelay", "AlarmSpecification", "BakeTime")


@dataclass(frozen=True)
class Preferences:
    """One refresh's preferences. `most_percent` is None when it was not given, which is not the same as 100."""

    given: Mapping[str, Any]
    least_percent: int
    most_percent: int | None
    warm_up_seconds: float
    skip_matching: bool
    auto_rollback: bool
    protected: str


def read(given: Mapping[str, Any], *, warm_up_seconds: float) -> Preferences:
    """Preferences with AWS's defaults; `warm_up_seconds` is the group's. Raises ValidationError with every fault."""
    if unknown := [name for name in NOT_SIMULATED if given.get(name)]:
        raise NotSimulatedError(f"{unknown[0]} of an instance refresh")
    if faults := _faults(given):
        raise ValidationError("; ".join(faults))
    return Preferences(
        given=dict(given),
        least_percent=int(given.get("MinHealthyPercentage", DEFAULT_LEAST)),
        most_percent=int(given["MaxHealthyPercentage"]) if "MaxHealthyPercentage" in given else None,
        warm_up_seconds=float(given.get("InstanceWarmup", warm_up_seconds)),
        skip_matching=bool(given.get("SkipMatching", False)),
        auto_rollback=bool(given.get("AutoRollback", False)),
        protected=str(given.get("ScaleInProtectedInstances", WAIT)),
    )


def check_strategy(strategy: str) -> None:
    """Only Rolling is simulated."""
    if strategy != ROLLING:
        raise NotSimulatedError(f"The strategy {strategy} of an instance refresh")


def _faults(given: Mapping[str, Any]) -> list[str]:
    least, most = given.get("MinHealthyPercentage"), given.get("MaxHealthyPercentage")
    faults = []
    if least is not None and not 0 <= int(least) <= 100:
        faults.append(f"MinHealthyPercentage {least} must be between 0 and 100")
    if most is not None and not 100 <= int(most) <= 200:
        faults.append(f"MaxHealthyPercentage {most} must be between 100 and 200")
    if most is not None and least is None:
        faults.append("MinHealthyPercentage must be specified together with MaxHealthyPercentage")
    if most is not None and least is not None and int(most) - int(least) > 100:
        faults.append(f"MaxHealthyPercentage {most} must be at most 100 above MinHealthyPercentage {least}")
    if int(given.get("InstanceWarmup", 0)) < 0:
        faults.append(f"InstanceWarmup {given['InstanceWarmup']} must be 0 or more")
    for name, allowed in (
        ("ScaleInProtectedInstances", (REFRESH, IGNORE, WAIT)),
        ("StandbyInstances", (TERMINATE, IGNORE, WAIT)),
    ):
        if given.get(name, WAIT) not in allowed:
            faults.append(f"{name} {given[name]} must be one of {', '.join(allowed)}")
    return faults
