"""What one fleet's minute begins with: all that AWS and the last minute tell of it. Reads, and changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from infra.planner import cloud, instances
from infra.planner.fleet import Fleet, Settings
from infra.planner.model import Observation, Pool


@dataclass(frozen=True)
class Seen:
    """What AWS and the last minute tell. `remembered` is the state object, with `etag`; `control` is a person's.

    `described`: the fleet's groups as Auto Scaling shows them. `serves`: the model version, None before there is one.
    """

    fleet: Fleet
    at_seconds: float
    remembered: Any
    etag: str | None
    control: Any
    described: Mapping[str, Any]
    gateways: int
    reporting: int
    serves: str | None
    pools: tuple[Pool, ...]
    memory: instances.Memory
    observation: Observation

    @property
    def paused(self) -> bool:
        return bool(self.control and self.control.get("paused"))

    @property
    def is_acted_upon(self) -> bool:
        return self.serves is not None and not self.paused

    @property
    def minutes_since_plan(self) -> int | None:
        """Since the remembered plan's; zero or less where this minute was planned already, or a later one."""
        return int(self.at_seconds // 60) - self.remembered["planner"]["minute"] if self.remembered else None

    @property
    def is_repeated(self) -> bool:
        return self.minutes_since_plan is not None and self.minutes_since_plan <= 0


def look(settings: Settings, clients: cloud.Clients, fleet: Fleet, now: float, events: Mapping[str, str]) -> Seen:
    """Read all that a plan of this fleet needs; changes nothing. `events`: what spot told of instances, by id."""
    s3, bucket, model = clients.s3, settings.bucket, fleet.model
    remembered, etag = cloud.read_json(s3, bucket, contract.scaling_state_key(model))
    control, _ = cloud.read_json(s3, bucket, contract.scaling_control_key(model))
    names = [*(group.name for group in fleet.groups), settings.gateway_group]
    described = cloud.describe(clients.autoscaling, names)
    gateways = instances.in_service(described.pop(settings.gateway_group))
    known = instances.Memory(**remembered["instances"]) if remembered else instances.Memory()
    serves = cloud.served(s3, bucket, model)
    pools, warm_ups, memory = instances.pools(fleet.groups, described, known, events, now, serves)
    figures = cloud.read_figures(clients.cloudwatch, settings.environment, model, now, gateways)
    return Seen(
        fleet=fleet,
        at_seconds=now,
        remembered=remembered,
        etag=etag,
        control=control,
        described=described,
        gateways=gateways,
        reporting=figures.reporting,
        serves=serves,
        pools=pools,
        memory=memory,
        observation=_observation(fleet, now, figures, pools, warm_ups),
    )


def _observation(fleet: Fleet, now: float, found: cloud.Figures, pools: Any, warm_ups: Any) -> Observation:
    return Observation(
        at_seconds=now,
        pools=pools,
        replica_tokens_per_second=fleet.replica_tokens_per_second,
        offered_tokens_per_second=None if found.offered_tokens is None else found.offered_tokens / 60,
        backlog_tokens=found.waiting_tokens,
        answered=found.answered,
        late=found.late,
        figures_minute=found.minute,
        warm_ups=warm_ups,
    )
