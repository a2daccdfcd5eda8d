"""What the handler is told of each fleet by its environment, and the limits and pools that follow. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inference_service import contract
from infra.planner.model import Limits, Promise


@dataclass(frozen=True)
class Group:
    """One Auto Scaling group: the most that it may have, and what one replica in it costs an hour and takes of a quota.

    `quota` is the code of the account's quota of vCPUs that its types count against; "" for types of several.
    """

    name: str
    spot: bool
    most: int
    usd_per_hour: float
    quota: str = ""
    vcpus: int = 0


@dataclass(frozen=True)
class LaunchHook:
    """The hook that holds a node until it is warm, as the program sets it."""

    name: str
    heartbeat_seconds: int
    default_result: str


@dataclass(frozen=True)
class Fleet:
    """One model. `replica_tokens_per_second` is what a node decodes when all its slots are busy."""

    model: str
    groups: tuple[Group, ...]
    base_on_demand: int
    replica_tokens_per_second: float
    slo_wait_seconds: float
    slo: float
    max_hourly_usd: float | None
    least_nodes: int = 0
    launch_hook: LaunchHook | None = None

    def limits(self) -> Limits:
        return Limits(
            {group.name: group.most for group in self.groups},
            self.base_on_demand,
            self.max_hourly_usd,
            Promise(self.slo_wait_seconds, self.slo),
            self.least_nodes,
        )


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


def as_variable(fleets: list[Fleet]) -> str:
    """The value of contract.VAR_FLEETS."""
    return json.dumps([asdict(fleet) for fleet in fleets])


def from_variable(text: str) -> list[Fleet]:
    found: list[Mapping[str, Any]] = json.loads(text)
    return [_fleet(fleet) for fleet in found]


def _fleet(given: Mapping[str, Any]) -> Fleet:
    hook = given.get("launch_hook")
    groups = tuple(Group(**group) for group in given["groups"])
    return Fleet(**{**given, "groups": groups, "launch_hook": LaunchHook(**hook) if hook else None})
