"""From what DescribeAutoScalingGroups shows to the planner's pools, and which instances scale-in takes. Pure.

States: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html. An instance is ready
when it is in service: the launch hook holds it in Pending until its model has answered a probe.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.planner.fleet import Group
from infra.planner.model import Pool, WarmUp

Described = Mapping[str, Any]
SUSPENDED_BY_PEOPLE = "User suspended"  # how the reason begins; AWS's own names the failed launches


@dataclass
class Memory:
    """What is known of instances from one minute to the next.

    `warming` has (seconds of Unix time since which, combination) by id; `noticed` were told to leave, `at_risk` have a
    rebalance recommendation, `chosen` are being taken by scale-in. `measured` counts the launches that became ready of
    what groups launch now; `hook_seconds` is what launch hooks were last set to, by group.
    """

    warming: dict[str, tuple[float, str]] = field(default_factory=dict)
    noticed: list[str] = field(default_factory=list)
    at_risk: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    measured: dict[str, int] = field(default_factory=dict)
    hook_seconds: dict[str, int] = field(default_factory=dict)


def pools(
    groups: Sequence[Group],
    described: Mapping[str, Described],
    memory: Memory,
    events: Mapping[str, str],
    now: float,
    serves: str | None,
) -> tuple[tuple[Pool, ...], tuple[WarmUp, ...], Memory]:
    """The pools now, the launches that ended, and the memory for the next minute.

    `events` has SPOT_NOTICE or REBALANCE by instance id, new since the last minute;
    `serves` says which model version a new node takes.
    """
    present = {one["InstanceId"]: one for group in described.values() for one in group["Instances"]}
    noticed = {one for one in (*memory.noticed, *_of(events, "notice")) if one in present}
    fresh = noticed - set(memory.noticed)
    after = Memory(
        _warming(described, memory, noticed, now, serves),
        sorted(noticed),
        sorted(one for one in {*memory.at_risk, *_of(events, "rebalance")} if one in present),
        [one for one in memory.chosen if one in present],
        hook_seconds=dict(memory.hook_seconds),
    )
    ended = tuple(_ended(memory, after, present, noticed, now))
    after.measured = _measured(memory, ended, [combination(group, serves) for group in described.values()])
    found = tuple(_pool(group, described[group.name], after, fresh, now, serves) for group in groups)
    return found, ended, after


def _of(events: Mapping[str, str], kind: str) -> Iterable[str]:
    return (instance for instance, what in events.items() if what == kind)


def _warming(
    described: Mapping[str, Described], memory: Memory, noticed: set[str], now: float, serves: str | None
) -> dict[str, tuple[float, str]]:
    return {
        one["InstanceId"]: memory.warming.get(one["InstanceId"], (now, combination(group, serves)))
        for group in described.values()
        for one in group["Instances"]
        if one["LifecycleState"].startswith("Pending") and one["InstanceId"] not in noticed
    }


def combination(group: Described, serves: str | None) -> str:
    """What a launch in this group would run: the template, its version, and the model's.

    The type is not in it: a mixed group takes whichever it gets, and can refuse none.
    """
    policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    template = policy or group.get("LaunchTemplate") or {}
    named = f"template {template.get('LaunchTemplateName', '')} version {template.get('Version', '')}"
    return f"{named}, {serves}" if serves else named


def _pool(group: Group, described: Described, memory: Memory, fresh: set[str], now: float, serves: str | None) -> Pool:
    leaving = {*memory.noticed, *memory.chosen}
    instances = [one for one in described["Instances"] if one["InstanceId"] not in leaving]
    ready = [one["InstanceId"] for one in instances if one["LifecycleState"] == "InService"]
    ages = [now - memory.warming[one["InstanceId"]][0] for one in instances if one["InstanceId"] in memory.warming]
    return Pool(
        name=group.name,
        spot=group.spot,
        usd_per_hour=group.usd_per_hour,
        desired=described["DesiredCapacity"] - counted(described, leaving),
        ready=len(ready),
        warming_ages_seconds=tuple(ages),
        noticed=sum(1 for one in described["Instances"] if one["InstanceId"] in fresh),
        at_risk=sum(1 for one in ready if one in memory.at_risk),
        combination=combination(described, serves),
        suspended=suspended(described) is not None,
    )


def counted(described: Described, some: Iterable[str] | None = None) -> int:
    """How many of the group's instances, or of `some` of them, count toward its desired capacity: those in service and
    those on their way up.
    """
    wanted = None if some is None else set(some)
    return sum(
        one["LifecycleState"].startswith(("Pending", "InService")) and (wanted is None or one["InstanceId"] in wanted)
        for one in described["Instances"]
    )


def in_service(described: Described) -> int:
    return sum(one["LifecycleState"] == "InService" for one in described["Instances"])


def suspended(described: Described) -> str | None:
    """Why the group launches nothing, or None."""
    processes = described.get("SuspendedProcesses", [])
    reasons: list[str] = [one["SuspensionReason"] for one in processes if one["ProcessName"] == "Launch"]
    return reasons[0] if reasons else None


def suspended_by_aws(described: Described) -> bool:
    """Whether AWS itself gave up launching, as after a day of failures; what a person suspended stays so."""
    reason = suspended(described)
    return bool(reason) and not str(reason).startswith(SUSPENDED_BY_PEOPLE)


def _ended(
    before: Memory, after: Memory, present: Mapping[str, Described], noticed: set[str], now: float
) -> Iterable[WarmUp]:
    for instance, (since, what) in before.warming.items():
        if instance in after.warming:
            continue
        state = present[instance]["LifecycleState"] if instance in present else "gone"
        taken = instance in noticed or instance in before.chosen
        yield WarmUp(now - since, state == "InService", failed=state != "InService" and not taken, combination=what)


def _measured(before: Memory, ended: Sequence[WarmUp], launched_now: Sequence[str]) -> dict[str, int]:
    new = Counter(one.combination for one in ended if one.became_ready)
    return {what: before.measured.get(what, 0) + new[what] for what in launched_now}


def victims(described: Described, count: int, memory: Memory, loads: Mapping[str, int]) -> list[str]:
    """Which `count` instances leave: what is not ready yet, the youngest first; then idle nodes, the oldest template
    first; then those with the fewest requests in flight, and last those of which nothing is known.

    None is cut off: the terminate hook holds a node until its answers have ended or moved. Those that were chosen
    already or are under notice do not count again.
    """
    leaving = {*memory.noticed, *memory.chosen}
    open_ = [one for one in described["Instances"] if one["InstanceId"] not in leaving]
    warming = [one["InstanceId"] for one in open_ if one["InstanceId"] in memory.warming]
    warming.sort(key=lambda one: (-memory.warming[one][0], one))
    ready = [one for one in open_ if one["LifecycleState"] == "InService"]
    ready.sort(key=lambda one: (loads.get(one["InstanceId"], math.inf), _template_version(one), one["InstanceId"]))
    return [*warming, *(one["InstanceId"] for one in ready)][:count]


def _template_version(instance: Described) -> int:
    return int(instance.get("LaunchTemplate", {}).get("Version", "0") or 0)
