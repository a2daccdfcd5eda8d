"""One fleet's minute, once it was looked at: plan, and, once every fleet is planned, remember the plan and do what it
says.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from inference_service import contract
from infra.planner import brakes, cloud, instances, plan, quota, state
from infra.planner.change import Change, change_of, unfinished
from infra.planner.fleet import Fleet, Settings
from infra.planner.hooks import launch_seconds
from infra.planner.look import Seen
from infra.planner.model import Observation, Plan


@dataclass(frozen=True)
class Planned:
    """A fleet as it was seen, and its plan."""

    seen: Seen
    plan: Plan

    @classmethod
    def of(cls, seen: Seen) -> "Planned":
        return cls(seen, _plan(seen, {}))

    def uses(self) -> list[quota.Use]:
        """What each group takes of a quota, and would by the plan; a plan that nobody acts upon takes nothing."""
        desired = self.plan.desired() if self.seen.is_acted_upon else {}
        owned = {name: group["DesiredCapacity"] for name, group in self.seen.described.items()}
        return [
            quota.Use(one.name, one.quota, one.vcpus, owned[one.name], desired.get(one.name, owned[one.name]))
            for one in self.seen.fleet.groups
            if one.quota
        ]

    def limited(self, most: Mapping[str, int], refusals: Mapping[str, str]) -> "Planned":
        """Planned anew where `most` has one of its pools; `refusals` say why."""
        own = [group.name for group in self.seen.fleet.groups if group.name in most]
        if not own:
            return self
        made = _plan(self.seen, most)
        return replace(self, plan=replace(made, refusals=(*made.refusals, *(refusals[name] for name in own))))


def _plan(seen: Seen, most: Mapping[str, int]) -> Plan:
    """Under the fleet's limits, and with no more than `most` of the pools in it."""
    limits = seen.fleet.limits()
    allowed = {pool: min(count, most.get(pool, count)) for pool, count in limits.most_replicas.items()}
    remembered = _resumed(seen.remembered, seen.control)
    return plan.plan(seen.observation, remembered, replace(limits, most_replicas=allowed))


def _resumed(remembered: Any, control: Any) -> state.State | None:
    """The planner's state; its breaker is closed again if a person has resumed scaling since it was written."""
    if not remembered:
        return None
    found = state.from_json(remembered["planner"])
    if control and control.get("resumed_at", 0.0) > remembered.get("resumed_at", 0.0):
        found.breaker = brakes.resumed(found.breaker)
    return found


def act(settings: Settings, clients: cloud.Clients, planned: Planned) -> dict[str, Any]:
    """Remember the plan, then do what it says; what was done. Of a minute that was planned already, only what is left.

    Raises:
        OverlapError: another run has remembered its own in the meantime; nothing was changed.
    """
    if planned.seen.is_repeated:
        return _act_again(clients, planned)
    seen, made, memory = planned.seen, planned.plan, planned.seen.memory
    changes = _changes(settings, clients, planned) if seen.is_acted_upon else {}
    hooks = {} if seen.paused else _hooks(planned)
    memory.hook_seconds |= hooks
    memory.chosen = sorted({*memory.chosen, *(one for change in changes.values() for one in change.leaving)})
    told = document(made, memory, seen.observation, seen.paused, seen.at_seconds, seen.control)
    told["told"] |= {"serves": seen.serves, "gateways": {"in_service": seen.gateways, "reporting": seen.reporting}}
    key = contract.scaling_state_key(seen.fleet.model)
    cloud.write_json(clients.s3, settings.bucket, key, told, seen.etag)  # before anything is changed
    _change(clients, seen, changes)
    _set_hooks(clients, seen.fleet, hooks)
    spot = {group.name: group.spot for group in seen.fleet.groups}
    cloud.publish(clients.cloudwatch, settings.environment, seen.fleet.model, made, spot)
    refusals = list(made.refusals)
    return {"desired": made.desired(), "paused": seen.paused, "serves": seen.serves, "refusals": refusals}


def _act_again(clients: cloud.Clients, planned: Planned) -> dict[str, Any]:
    """What the minute's first run remembered and did not do; of an older minute than the remembered one, nothing.

    Nothing is remembered or published: what this run has seen is for the next minute to learn.
    """
    seen, wishes = planned.seen, planned.plan.desired()
    known = instances.Memory(**seen.remembered["instances"])
    left = {name: unfinished(seen.described[name], wanted, known) for name, wanted in wishes.items()}
    changes = {name: change for name, change in left.items() if change != Change()}
    if seen.is_acted_upon and seen.minutes_since_plan == 0:
        _change(clients, seen, changes)
    return {"desired": wishes, "paused": seen.paused, "serves": seen.serves, "repeated": True}


def _changes(settings: Settings, clients: cloud.Clients, planned: Planned) -> dict[str, Change]:
    described, wishes = planned.seen.described, planned.plan.desired()
    shrinks = any(wanted < described[name]["DesiredCapacity"] for name, wanted in wishes.items())
    loads = cloud.node_loads(clients.s3, settings.bucket, planned.seen.fleet.model) if shrinks else {}
    return {
        name: change
        for name, wanted in wishes.items()
        if (change := change_of(described[name], wanted, planned.seen.memory, loads)) != Change()
    }


def _hooks(planned: Planned) -> dict[str, int]:
    """Timeouts of launch hooks to set, by group; each hour again, should one not have been taken."""
    seen, made, memory = planned.seen, planned.plan, planned.seen.memory
    hook, hourly = seen.fleet.launch_hook, seen.at_seconds // 60 % 60 == 0
    if hook is None:
        return {}
    found = {}
    for pool in seen.pools:
        measured = memory.measured.get(pool.combination, 0)
        failed = made.state.breaker.failures.get(pool.combination, 0)
        wanted = launch_seconds(made.state.warm_ups, measured, failed, hook.heartbeat_seconds)
        known = memory.hook_seconds.get(pool.name)
        if wanted != (known or hook.heartbeat_seconds) or (hourly and known):
            found[pool.name] = wanted
    return found


def _set_hooks(clients: cloud.Clients, fleet: Fleet, hooks: Mapping[str, int]) -> None:
    for name, seconds in hooks.items():
        assert fleet.launch_hook
        clients.autoscaling.put_lifecycle_hook(
            AutoScalingGroupName=name,
            LifecycleHookName=fleet.launch_hook.name,
            LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
            HeartbeatTimeout=seconds,
            DefaultResult=fleet.launch_hook.default_result,
        )


def _change(clients: cloud.Clients, seen: Seen, changes: Mapping[str, Change]) -> None:
    autoscaling = clients.autoscaling
    for name, group in seen.described.items():
        if not seen.paused and instances.suspended_by_aws(group):
            autoscaling.resume_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
    for name, change in changes.items():
        if change.desired is not None:
            autoscaling.set_desired_capacity(
                AutoScalingGroupName=name, DesiredCapacity=change.desired, HonorCooldown=False
            )
        for instance in change.leaving:
            autoscaling.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=True
            )


def document(
    made: Plan, memory: instances.Memory, observation: Observation, paused: bool, now: float, control: Any
) -> dict[str, Any]:
    """What the next minute needs, and what `warmfleet scaling explain` tells."""
    return {
        "planner": state.as_json(made.state),
        "instances": asdict(memory),
        "resumed_at": (control or {}).get("resumed_at", 0.0),
        "told": {
            "at": now,
            "paused": paused,
            "observed": asdict(observation),
            "targets": [asdict(target) for target in made.targets],
            "expected": asdict(made.expected),
            "refusals": list(made.refusals),
        },
    }
