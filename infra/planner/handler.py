"""The Lambda function: once a minute it reads the fleet, plans, remembers, and only then acts.

The state is written with a condition before anything is changed: of two runs that overlap one writes, and acts; the
other raises and leaves it at that. A run that dies in between is made up for by the next minute's. Nothing but the
runtime's own boto3 is needed.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import boto3

from inference_service import contract
from infra.planner import brakes, cloud, instances, plan, state
from infra.planner.change import Change, change_of
from infra.planner.fleet import Fleet, from_variable
from infra.planner.hooks import launch_seconds
from infra.planner.model import Observation, Plan, Pool


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """EventBridge's entry: `event.time` is the minute that this run is for."""
    session: Any = boto3.Session()
    clients = cloud.Clients(*(session.client(name) for name in ("autoscaling", "cloudwatch", "s3", "sqs")))
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
    for fleet in settings.fleets:
        try:
            done[fleet.model] = _Run(settings, clients, fleet, now).run(events)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("not every fleet was planned; the last safe plan stands", failures)
    cloud.forget_events(clients.sqs, settings.queue_url, receipts)
    return done


class _Run:
    """One fleet's minute."""

    def __init__(self, settings: Settings, clients: cloud.Clients, fleet: Fleet, now: float) -> None:
        self.settings, self.clients, self.fleet, self.now = settings, clients, fleet, now

    def run(self, events: Mapping[str, str]) -> dict[str, Any]:
        s3, bucket, model = self.clients.s3, self.settings.bucket, self.fleet.model
        remembered, etag = cloud.read_json(s3, bucket, contract.scaling_state_key(model))
        control, _ = cloud.read_json(s3, bucket, contract.scaling_control_key(model))
        described = cloud.describe(
            self.clients.autoscaling, [*(group.name for group in self.fleet.groups), self.settings.gateway_group]
        )
        gateways = instances.in_service(described.pop(self.settings.gateway_group))
        known = instances.Memory(**remembered["instances"]) if remembered else instances.Memory()
        serves = cloud.served(s3, bucket, model)
        pools, warm_ups, memory = instances.pools(self.fleet.groups, described, known, events, self.now, serves)
        figures = self._figures(gateways)
        observation = self._observation(figures, pools, warm_ups)
        made = plan.plan(observation, _resumed(remembered, control), self.fleet.limits())
        paused = bool(control and control.get("paused"))
        changes = self._changes(made, described, memory) if serves and not paused else {}
        hooks = {} if paused else self._hooks(made, pools, memory)
        memory.hook_seconds |= hooks
        memory.chosen = sorted({*memory.chosen, *(one for change in changes.values() for one in change.leaving)})
        document = _document(made, memory, observation, paused, self.now, control)
        document["told"] |= {"serves": serves, "gateways": {"in_service": gateways, "reporting": figures.reporting}}
        cloud.write_json(s3, bucket, contract.scaling_state_key(model), document, etag)  # before anything is changed
        self._act(changes, described, paused)
        self._set_hooks(hooks)
        spot = {group.name: group.spot for group in self.fleet.groups}
        cloud.publish(self.clients.cloudwatch, self.settings.environment, model, made, spot)
        return {"desired": made.desired(), "paused": paused, "serves": serves, "refusals": list(made.refusals)}

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
