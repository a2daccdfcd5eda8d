"""Group metrics: which ones a group publishes is kept and shown; nothing is published here.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html
"""

from collections.abc import Sequence

from localcloud.aws.autoscaling.errors import ValidationError

GRANULARITY = "1Minute"
_STATES = ("InService", "Pending", "Standby", "Terminating", "Total")
NAMES = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    *(f"Group{state}Instances" for state in _STATES),
    *(f"Group{state}Capacity" for state in _STATES),
    *(f"WarmPool{what}Capacity" for what in ("Desired", "Warmed", "Pending", "Terminating", "Total")),
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
)


def with_metrics(present: Sequence[str], given: Sequence[str], granularity: str | None) -> list[str]:
    """After EnableMetricsCollection; no names stand for all of them. Raises ValidationError."""
    if granularity != GRANULARITY:
        raise ValidationError(f"Granularity {granularity} is not supported, the only valid value is {GRANULARITY}")
    _check(given)
    return [name for name in NAMES if name in {*present, *(given or NAMES)}]


def without_metrics(present: Sequence[str], given: Sequence[str]) -> list[str]:
    """After DisableMetricsCollection; no names stand for all of them. Raises ValidationError."""
    _check(given)
    return [name for name in present if given and name not in given]


def _check(given: Sequence[str]) -> None:
    if unknown := sorted(set(given) - set(NAMES)):
        raise ValidationError(f"{', '.join(unknown)}: no such group metric")
