"""How long an instance's launch and boot took, which were over before this process could measure anything."""

from datetime import UTC, datetime
from pathlib import Path

from inference_service import contract

MARK = "launched"


def is_first_process(data_dir: Path, instance_id: str) -> bool:
    """Whether no process of this instance ran before; from then on one has. Raises OSError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    mark = data_dir / MARK
    if mark.exists() and mark.read_text() == instance_id:
        return False
    mark.write_text(instance_id)
    return True


def launch_phases(pending_time: datetime | None, booted_at: float | None, started: datetime) -> dict[str, float | None]:
    """Seconds of launch and boot, from EC2's pending time to `started`, when this process began.

    Where nobody says when the operating system started, all of it is the launch. A clock that was set meanwhile makes
    no phase negative.
    """
    booted = None if booted_at is None else datetime.fromtimestamp(booted_at, UTC)
    return {
        contract.PHASE_LAUNCH: _seconds(pending_time, booted or started),
        contract.PHASE_BOOT: _seconds(booted, started),
    }


def _seconds(begin: datetime | None, end: datetime) -> float | None:
    return max(0.0, (end - begin).total_seconds()) if begin else None
