"""What the gateway believes about a node, and how each poll changes it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inference_service import contract
from inference_service.gateway.discovery import FoundNode

MOST_MISSED_POLLS = 3  # one lost packet must not empty the fleet, a dead node must not stay in it


@dataclass(frozen=True)
class NodeView:
    """One node. `seen_at` is on the event loop's clock, in seconds."""

    found: FoundNode
    report: Mapping[str, Any] | None = None
    error: str | None = None
    seen_at: float | None = None
    missed_readiness: int = 0
    missed_discovery: int = 0
    set_aside: bool = False  # it failed a request; nothing is sent to it before its next good report
    found_at: float = 0.0  # when EC2 first listed it, on the same clock as seen_at
    others_in_flight: int = 0  # what it works on for other gateways, at its last report

    @property
    def state(self) -> str | None:
        """The state that it reported, or None where there is no report to go by."""
        return None if self.report is None else str(self.report.get("state"))

    @property
    def routable(self) -> bool:
        return self.state == contract.STATE_READY and not self.set_aside

    def serves(self, model: str, version: str | None = None) -> bool:
        """Whether a request for `model` can go to it, and its version is the wanted one."""
        return self.found.model == model and self.routable and version in (None, self.version)

    @property
    def version(self) -> str | None:
        return None if self.report is None else self.report.get("version")

    @property
    def slots(self) -> int:
        slots = None if self.report is None else self.report.get("slots")
        return slots if isinstance(slots, int) and slots > 0 else 1


def merge(known: Mapping[str, NodeView], found: Iterable[FoundNode], now: float = 0.0) -> dict[str, NodeView]:
    """The nodes after one answer of EC2: new ones come in, one that three answers in a row lack goes."""
    listed = {node.instance_id: node for node in found}
    merged = {}
    for instance_id, view in known.items():
        if instance_id in listed:
            merged[instance_id] = replace(view, found=listed[instance_id], missed_discovery=0)
        elif view.missed_discovery + 1 < MOST_MISSED_POLLS:
            merged[instance_id] = replace(view, missed_discovery=view.missed_discovery + 1)
    return merged | {new: NodeView(node, found_at=now) for new, node in listed.items() if new not in known}


def reported(view: NodeView, report: Any, now: float, in_flight: int) -> NodeView:
    """The node after it answered a readiness poll; `in_flight` is what this gateway has with it at this moment."""
    if problem := _not_this_node(view.found, report):
        return missed(view, problem)
    total = report.get("in_flight")
    return replace(
        view,
        report=report,
        error=report.get("error"),
        seen_at=now,
        missed_readiness=0,
        set_aside=False,
        others_in_flight=max(0, total - in_flight) if isinstance(total, int) else 0,
    )


def missed(view: NodeView, error: str) -> NodeView:
    """The node after a readiness poll without a usable answer: the third in a row takes its report away."""
    count = view.missed_readiness + 1
    report = view.report if count < MOST_MISSED_POLLS else None
    return replace(view, report=report, error=error, missed_readiness=count)


def _not_this_node(found: FoundNode, report: Any) -> str | None:
    """Why a report is not this node's: EC2 gives a private address to another instance as soon as it is free."""
    if not isinstance(report, Mapping) or report.get("state") not in contract.NODE_STATES:
        return f"{found.address} answers readiness polls with something else than a node's report"
    if report.get("instance_id") not in (found.instance_id, "unknown"):
        return f"{found.address} belongs to {report.get('instance_id')} now"
    if report.get("model") != found.model:
        return f"tagged for model {found.model}, but serves {report.get('model')}"
    return None
