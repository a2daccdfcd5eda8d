"""Why a node has to leave: a spot notice, a termination by Auto Scaling, a stop signal. A notice can be withdrawn."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inference_service.node.metadata import InstanceMetadata

TERMINATED = "Terminated"
SPOT_MARGIN = timedelta(seconds=5)  # kept back to complete the hook and to close


@dataclass(frozen=True)
class Signals:
    """What metadata and the operating system say at one moment."""

    spot_action: tuple[str, datetime] | None = None
    target_state: str | None = None
    stop_requested: bool = False
    rebalance_recommended: bool = False


@dataclass(frozen=True)
class Leaving:
    """The node has to go. `final`: for good; else the reason may yet go away. `by`: when the instance is taken."""

    reason: str
    final: bool
    by: datetime | None = None


def leaving(signals: Signals, now: datetime) -> Leaving | None:
    """What the signals ask for. A rebalance recommendation alone is no reason: most are never followed by a notice."""
    by = signals.spot_action[1] - SPOT_MARGIN if signals.spot_action else None
    if signals.stop_requested:
        return Leaving("the process was asked to stop", final=True, by=by)
    if signals.target_state == TERMINATED:
        return Leaving("Auto Scaling terminates this instance", final=True, by=by)
    if signals.spot_action is None or by is None:
        return None
    action, when = signals.spot_action
    return Leaving(f"EC2 will {action} this spot instance at {when.isoformat()}", final=now >= by, by=by)


def drain_deadline(why: Leaving, drain_seconds: float, now: datetime) -> datetime:
    """When answers still running are given up: after `drain_seconds`, and always before the instance is taken."""
    own = now + timedelta(seconds=drain_seconds)
    return min(own, why.by) if why.by else own


async def read_signals(metadata: InstanceMetadata, before: Signals) -> Signals:
    """Ask metadata once.

    Raises:
        MetadataError: no answer; what was known before still holds then.
    """
    return replace(
        before,
        spot_action=await metadata.spot_action(),
        target_state=await metadata.target_lifecycle_state(),
        rebalance_recommended=await metadata.rebalance_recommended(),
    )


def utc_now() -> datetime:
    return datetime.now(UTC)
