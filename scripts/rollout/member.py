"""The nodes of a rollout, as the gateway describes them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from inference_service.artifacts import VersionRef, place

NOT_REPEATED = (contract.PHASE_LAUNCH, contract.PHASE_BOOT)  # another model version needs neither
MEASURED = tuple(phase for phase in contract.WARM_UP_PHASES if phase not in NOT_REPEATED)


@dataclass(frozen=True)
class Member:
    """A node that stays. `state` is None where it gives no report; `answered` and `failed` are its version's."""

    instance_id: str
    state: str | None = None
    version: str | None = None
    refused: str | None = None
    error: str | None = None
    slots: int = 1
    in_flight: int = 0
    answered: int = 0
    failed: int = 0
    process: int | None = None
    warm_up_seconds: float | None = None  # without its launch and boot

    @property
    def place(self) -> int:
        return place(self.instance_id)

    @property
    def ready(self) -> bool:
        return self.state == contract.STATE_READY

    def serves(self, reference: VersionRef) -> bool:
        return self.ready and self.version == reference.version

    def words(self) -> str:
        """Who it is and what it does."""
        doing = "gives no report" if self.state is None else self.state
        return f"{self.instance_id}: {doing}" + (f", {self.error}" if self.error else "")


def members(described: Iterable[Mapping[str, Any]], model: str) -> tuple[Member, ...]:
    """The nodes of `model` that are not about to leave, in the order in which a growing wave reaches them."""
    mine = [_member(each) for each in described if each["model"] == model and not _leaves(each.get("report") or {})]
    return tuple(sorted(mine, key=lambda member: (member.place, member.instance_id)))


def names(nodes: Iterable[Member]) -> str:
    return ", ".join(node.instance_id for node in nodes)


def _leaves(report: Mapping[str, Any]) -> bool:
    return bool(report.get("leaving")) or report.get("state") == contract.STATE_STOPPED


def _member(described: Mapping[str, Any]) -> Member:
    report: Mapping[str, Any] = described.get("report") or {}
    return Member(
        instance_id=described["instance_id"],
        state=report.get("state"),
        version=report.get("version"),
        refused=report.get("refused"),
        error=report.get("error") or described.get("error"),
        slots=report.get("slots") or 1,
        in_flight=max(report.get("in_flight") or 0, described.get("in_flight") or 0),
        answered=report.get("answered") or 0,
        failed=report.get("failed") or 0,
        process=report.get("pid"),
        warm_up_seconds=_measured(report.get("warm_up_seconds") or {}),
    )


def _measured(phases: Mapping[str, float | None]) -> float | None:
    """Together, once the node has been through the last of them; not every node has each."""
    if phases.get(MEASURED[-1]) is None:
        return None
    return sum(seconds for phase in MEASURED if (seconds := phases.get(phase)) is not None)
