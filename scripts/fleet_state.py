"""What a fleet looks like at one moment, and why a node is missing, in words. Pure; fleet_reading collects it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from inference_service import contract

IN_SERVICE = "InService"
LEAVING = ("Terminating", "Detaching", "Terminated", "Detached")


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group. `market` is spot, on-demand or gateway; `failure` is why its last launch failed."""

    name: str
    market: str
    desired: int
    most: int
    in_service: int
    instances: int
    failure: str | None = None
    suspended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """An instance of a fleet: what Auto Scaling, EC2 and the node itself say. None: not said (yet)."""

    instance_id: str
    model: str
    instance_type: str
    market: str
    zone: str
    lifecycle: str  # Auto Scaling's, such as Pending:Wait
    state: str | None = None  # the node's own
    version: str | None = None
    manifest_sha256: str | None = None
    routable: bool = False
    error: str | None = None
    warm_up_seconds: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def leaving(self) -> bool:
        return self.lifecycle.startswith(LEAVING)

    def words(self) -> str:
        """Where it is and what it does, in one line."""
        where = ", ".join(part for part in (self.market, self.zone) if part)
        text = f"{self.instance_id} ({where}): {self.doing()}"
        return f"{text}: {self.error}" if self.error else text

    def doing(self) -> str:
        """What the node does now."""
        if self.leaving:
            return "leaving"
        if self.state is None:
            return "starting" if self.lifecycle != IN_SERVICE else "gives no report"
        return self.state


@dataclass(frozen=True)
class FleetState:
    """One model at one moment. `current`, `previous` and `candidate` are versions by its pointer."""

    model: str
    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    current: str | None
    previous: str | None = None
    lost_groups: tuple[str, ...] = ()  # in the stack's outputs, but not in Auto Scaling
    candidate: str | None = None  # being rolled out, to places below wave_percent
    wave_percent: int = 0
    refusals: tuple[str, ...] = ()  # what the planner's brakes hold back, by its last plan

    @property
    def ready(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.routable)

    @property
    def warm(self) -> Node | None:
        """A node that serves the current version, and of which Auto Scaling knows that it does."""
        serving = (node for node in self.ready if node.version == self.current and node.lifecycle == IN_SERVICE)
        return next(serving, None)


@dataclass(frozen=True)
class Trouble:
    """What the local cloud cannot do for a resource, and what helps."""

    resource: str
    text: str
    remedy: str


def why_missing(fleet: FleetState, gateway: str | None, troubles: Iterable[Trouble] = ()) -> list[str]:
    """Why the fleet has fewer warm nodes than it wants, most basic reason first; empty when nothing is missing.

    Args:
        gateway: why the gateway gives no report, None while it does.
    """
    reasons = [f"{each.resource}: {each.text}; {each.remedy}" for each in troubles]
    reasons += [f"the gateway gives no report: {gateway}"] if gateway else []
    for name in fleet.lost_groups:
        reasons.append(f"Auto Scaling group {name} does not exist: `pulumi refresh`, then `pulumi up`")
    desired = sum(group.desired for group in fleet.groups)
    if fleet.current is None:
        reasons.append(
            f"no version of {fleet.model} is active: `warmfleet models publish {fleet.model} PATH`, then "
            f"`warmfleet models activate {fleet.model} VERSION`"
        )
    if fleet.groups and desired == 0:
        reasons.append(f"all groups of {fleet.model} are at 0: `warmfleet models activate` wakes them")
    for group in fleet.groups:
        reasons += _of_group(group)
    reasons += [_of_node(node, fleet.current, gateway is None) for node in fleet.nodes if not _serves(node, fleet)]
    reasons += [f"the planner would buy more and may not: {refusal}" for refusal in fleet.refusals]
    return reasons


def _serves(node: Node, fleet: FleetState) -> bool:
    return node.routable and node.version in (fleet.current, fleet.candidate) and not node.error


def _of_group(group: Group) -> list[str]:
    reasons = []
    missing = group.desired - group.instances
    if missing > 0 and group.failure:
        reasons.append(f"{group.market} group {group.name} lacks {missing}; its last launch failed: {group.failure}")
    elif missing > 0 and "Launch" in group.suspended:
        reasons.append(f"{group.market} group {group.name} lacks {missing}; its Launch process is suspended: resume it")
    elif missing > 0:
        reasons.append(f"{group.market} group {group.name} is launching {missing} of {group.desired}")
    return reasons


def _of_node(node: Node, current: str | None, reporting: bool) -> str:
    text = node.words()
    if node.leaving or node.error:
        return text
    if node.state is None:
        return text + (f"; its log: `warmfleet logs {node.instance_id}`" if reporting else "")
    if node.state == contract.STATE_READY and node.version != current:
        return f"{text}, with version {node.version}; {current} is active"
    if node.lifecycle.startswith("Pending"):
        return f"{text}; the launch hook holds it until its model has answered a probe"
    return text


def waiting_for(fleet: FleetState, gateway: str | None) -> str:
    """What `make up` is waiting for, in one line."""
    present = [node for node in fleet.nodes if not node.leaving]
    if present:
        text = "; ".join(node.words() for node in present)
    elif lacking := [text for group in fleet.groups for text in _of_group(group)]:
        text = "; ".join(lacking)
    else:
        text = "no node is wanted"
    return f"{text}; waiting for the gateway" if gateway else text


def merge_report(node: Node, described: Mapping[str, Any]) -> Node:
    """The node with what the gateway knows of it (GET /warmfleet/nodes)."""
    report = described.get("report") or {}
    return replace(
        node,
        state=report.get("state"),
        version=report.get("version"),
        manifest_sha256=report.get("manifest_sha256"),
        routable=bool(described.get("routable")),
        error=described.get("error") if report or node.lifecycle == IN_SERVICE else None,
        warm_up_seconds=report.get("warm_up_seconds") or {},
    )
