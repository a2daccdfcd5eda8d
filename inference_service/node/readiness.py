"""What the node says about itself: the report on /readyz, and the figures that gateways route by."""

import os
from dataclasses import dataclass, field
from typing import Any

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.node.admission import Admission


def _no_seconds() -> dict[str, float | None]:
    return dict.fromkeys(contract.WARM_UP_PHASES)


@dataclass
class NodeStatus:
    """The one mutable record of a node: the worker writes it, the HTTP application reads it."""

    model: str
    engine: str
    admission: Admission
    instance_id: str = "unknown"
    address: str | None = None
    state: str = contract.STATE_DOWNLOADING
    loaded: VersionRef | None = None
    error: str | None = None
    rebalance_recommended: bool = False
    warm_up_seconds: dict[str, float | None] = field(default_factory=_no_seconds)

    @property
    def ready(self) -> bool:
        return self.state == contract.STATE_READY

    def report(self) -> dict[str, Any]:
        """The readiness report, as JSON members."""
        seconds = {phase: _rounded(value) for phase, value in self.warm_up_seconds.items()}
        return {
            "instance_id": self.instance_id,
            "model": self.model,
            "version": self.loaded.version if self.loaded else None,
            "manifest_sha256": self.loaded.manifest_sha256 if self.loaded else None,
            "state": self.state,
            "error": self.error,
            "in_flight": self.admission.in_flight,
            "slots": self.admission.slots,
            "warm_up_seconds": seconds,
            "engine": self.engine,
            "pid": os.getpid(),
            "address": self.address,
            "rebalance_recommended": self.rebalance_recommended,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
