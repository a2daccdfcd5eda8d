"""The Lambda function: once a minute it reads the fleet, plans, remembers, and only then acts.

The state is written with a condition before anything is changed: of two runs that overlap one writes, and acts; the
other raises and leaves it at that. A run that dies in between is made up for by the next minute's. Nothing but the
runtime's own boto3 is needed.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import boto3

from inference_service import contract
from infra.planner import brakes, cloud, instances, plan, quota, state
from infra.planner.change import Change, change_of
from infra.planner.fleet import Fleet, from_variable
from infra.planner.hooks import launch_seconds
from infra.planner.model import Observation, Plan, Pool


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """EventBridge's entry: `event.time` is the minute that this run is for."""
    session: Any = boto3.Session()
    clients = cloud.Clients(*(session.client(name) for name in cloud.NAMES))
    return run(Settings.read(os.environ), clients, moment(event["time"]))


def moment(text: str) -> float:
    """Unix seconds of an EventBridge time, as 2026-11-28T08:15:00Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()


@dataclass(frozen=True)
class Settings:
    """The function's environment; names are contract.VAR_*."""

    environment: str
    bucket: str
    queue_url: str
    gateway_group: str
    fleets: tuple[Fleet, ...]

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        return cls(
            environ[contract.VAR_ENVIRONMENT],
            environ[contract.VAR_BUCKET],
            environ[contract.VAR_INTERRUPTIONS_QUEUE_URL],
            environ[contract.VAR_GATEWAY_GROUP],
            tuple(from_variable(environ[contract.VAR_FLEETS])),
        )


def run(settings: Settings, clients: cloud.Clients, now: float) -> dict[str, Any]:
    """Plan every fleet; what was done, by model. One fleet's failure is told last, and stops no other's plan."""
    events, receipts = cloud.receive_events(clients.sqs, settings.queue_url)
    done: dict[str, Any] = {}
    failures: list[Exception] = []
    planned: list[_Run] = []
    for fleet in settings.fleets:
        try:
            planned.append(_Run(settings, clients, fleet, now, events))
        except Exception as error:
            failures.append(error)
    _share_quotas(planned, clients.quotas)
    for one in planned:
        try:
            done[one.fleet.model] = one.act()
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("not every fleet was planned; the last safe plan stands", failures)
    cloud.forget_events(clients.sqs, settings.queue_url, receipts)
    return done


def _share_quotas(planned: "Sequence[_Run]", client: Any) -> None:
    """Have the fleets plan anew that want more than the quotas of vCPUs which they share can give."""
    uses = [use for one in planned for use in one.uses()]
    limits = cloud.vcpu_limits(client, {use.quota for use in uses if use.lacks})
    most = quota.most_by_pool(uses, limits)
    for one in planned:
        own = [use for use in one.uses() if use.pool in most]
        if own:
            refusals = [quota.refusal(use, most[use.pool], limits[use.quota]) for use in own]
            one.plan({use.pool: most[use.pool] for use in own}, refusals)


class _Run:
    """One fleet's minute: seen and planned when it is made, remembered and acted upon by `act`."""

    def __init__(
        self, settings: Settings, clients: cloud.Clients, fleet: Fleet, now: float, events: Mapping[str, str]
    ) -> None:
        self.settings, self.clients, self.fleet, self.now = settings, clients, fleet, now
        s3, bucket, model = clients.s3, settings.bucket, fleet.model
        self.remembered, self.etag = cloud.read_json(s3, bucket, contract.scaling_state_key(model))
        self.control, _ = cloud.read_json(s3, bucket, contract.scaling_control_key(model))
        self.described = cloud.describe(
            clients.autoscaling, [*(group.name for group in fleet.groups), settings.gateway_group]
        )
        self.gateways = instances.in_service(self.described.pop(settings.gateway_group))
        known = instances.Memory(**self.remembered["instances"]) if self.remembered else instances.Memory()
        self.serves = cloud.served(s3, bucket, model)
        self.pools, warm_ups, self.memory = instances.pools(
            fleet.groups, self.described, known, events, now, self.serves
        )
        self.paused = bool(self.control and self.control.get("paused"))
        self.acts = bool(self.serves) and not self.paused
        self.figures = self._figures(self.gateways)
        self.observation = self._observation(self.figures, self.pools, warm_ups)
        self.made = self.plan({}, [])

    def plan(self, most: Mapping[str, int], refusals: Sequence[str]) -> Plan:
        """Under the fleet's limits, and no more than `most` of the pools in it; `refusals` say why so few."""
        limits = self.fleet.limits()
        allowed = {pool: min(count, most.get(pool, count)) for pool, count in limits.most_replicas.items()}
        state = _resumed(self.remembered, self.control)
        made = plan.plan(self.observation, state, replace(limits, most_replicas=allowed))
        self.made = replace(made, refusals=(*made.refusals, *refusals))
        return self.made

    def uses(self) -> list[quota.Use]:
        """What each group takes of a quota, and would by the plan; a plan that nobody acts upon takes nothing."""
        desired = self.made.desired() if self.acts else {}
        owned = {group.name: self.described[group.name]["DesiredCapacity"] for group in self.fleet.groups}
        return [
            quota.Use(one.name, one.quota, one.vcpus, owned[one.name], desired.get(one.name, owned[one.name]))
            for one in self.fleet.groups
            if one.quota
        ]

    def act(self) -> dict[str, Any]:
        """Remember the plan, then do what it says."""
        s3, bucket, model = self.clients.s3, self.settings.bucket, self.fleet.model
        made, memory, described = self.made, self.memory, self.described
        paused = self.paused
        changes = self._changes(made, described, memory) if self.acts else {}
        hooks = {} if paused else self._hooks(made, self.pools, memory)
        memory.hook_seconds |= hooks
        memory.chosen = sorted({*memory.chosen, *(one for change in changes.values() for one in change.leaving)})
        document = _document(made, memory, self.observation, paused, self.now, self.control)
        document["told"] |= {
            "serves": self.serves,
            "gateways": {"in_service": self.gateways, "reporting": self.figures.reporting},
        }
        key = contract.scaling_state_key(model)
        cloud.write_json(s3, bucket, key, document, self.etag)  # before anything is changed
        self._act(changes, described, paused)
        self._set_hooks(hooks)
        spot = {group.name: group.spot for group in self.fleet.groups}
        cloud.publish(self.clients.cloudwatch, self.settings.environment, model, made, spot)
        return {"desired": made.desired(), "paused": paused, "serves": self.serves, "refusals": list(made.refusals)}

    def _figures(self, gateways: int) -> cloud.Figures:
        environment, model = self.settings.environment, self.fleet.model
        return cloud.read_figures(self.clients.cloudwatch, environment, model, self.now, gateways)

    def _observation(self, found: cloud.Figures, pools: Any, warm_ups: Any) -> Observation:
        return Observation(
            at_seconds=self.now,
            pools=pools,
            replica_tokens_per_second=self.fleet.replica_tokens_per_second,
            offered_tokens_per_second=None if found.offered_tokens is None else found.offered_tokens / 60,
            backlog_tokens=found.waiting_tokens,
            answered=found.answered,
            late=found.late,
            warm_ups=warm_ups,
        )

    def _changes(self, made: Plan, described: Mapping[str, Any], memory: instances.Memory) -> dict[str, Change]:
        wishes = made.desired()
        shrinks = any(wanted < described[name]["DesiredCapacity"] for name, wanted in wishes.items())
        loads = cloud.node_loads(self.clients.s3, self.settings.bucket, self.fleet.model) if shrinks else {}
        return {
            name: change
            for name, wanted in wishes.items()
            if (change := change_of(described[name], wanted, memory, loads)) != Change()
        }

    def _hooks(self, made: Plan, pools: tuple[Pool, ...], memory: instances.Memory) -> dict[str, int]:
        """Timeouts of launch hooks to set, by group; each hour again, should one not have been taken."""
        hook, hourly = self.fleet.launch_hook, self.now // 60 % 60 == 0
        if hook is None:
            return {}
        found = {}
        for pool in pools:
            measured = memory.measured.get(pool.combination, 0)
            failed = made.state.breaker.failures.get(pool.combination, 0)
            wanted = launch_seconds(made.state.warm_ups, measured, failed, hook.heartbeat_seconds)
            known = memory.hook_seconds.get(pool.name)
            if wanted != (known or hook.heartbeat_seconds) or (hourly and known):
                found[pool.name] = wanted
        return found

    def _set_hooks(self, hooks: Mapping[str, int]) -> None:
        for name, seconds in hooks.items():
            assert self.fleet.launch_hook
            self.clients.autoscaling.put_lifecycle_hook(
                AutoScalingGroupName=name,
                LifecycleHookName=self.fleet.launch_hook.name,
                LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
                HeartbeatTimeout=seconds,
                DefaultResult=self.fleet.launch_hook.default_result,
            )

    def _act(self, changes: Mapping[str, Change], described: Mapping[str, Any], paused: bool) -> None:
        autoscaling = self.clients.autoscaling
        for name, group in described.items():
            if not paused and instances.suspended_by_aws(group):
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


def _resumed(remembered: Any, control: Any) -> state.State | None:
    """The planner's state; its breaker is closed again if a person has resumed scaling since it was written."""
    if not remembered:
        return None
    found = state.from_json(remembered["planner"])
    if control and control.get("resumed_at", 0.0) > remembered.get("resumed_at", 0.0):
        found.breaker = brakes.resumed(found.breaker)
    return found


def _document(
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
