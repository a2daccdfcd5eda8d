"""What the node says about itself: the report on /readyz, and the figures that gateways route by."""

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.node.admission import Admission
from inference_service.node.interruption import Interruption


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
    wanted: VersionRef | None = None  # by the pointer
    refused: VersionRef | None = None  # wanted, tried, and not served: `error` says why
    error: str | None = None
    interruption: Interruption | None = None
    interruptions: Counter[str] = field(default_factory=Counter)  # by kind, since the process began
    jobs: Counter[str] = field(default_factory=Counter)  # by outcome, since the process began
    drain_seconds_left: float | None = None  # while draining: then what still runs is handed over
    answered: int = 0  # with the loaded version, since it was loaded
    failed: int = 0  # of these, how many the engine failed
    rebalance_recommended: bool = False
    warm_up_seconds: dict[str, float | None] = field(default_factory=_no_seconds)
    compile_cache: str | None = None  # one of CACHE_OUTCOMES, once a version was fetched

    def interrupt(self, why: Interruption | None) -> None:
        """What interrupts the node now. The same kind again is the same interruption, until it has gone away."""
        if why and (self.interruption is None or self.interruption.kind is not why.kind):
            self.interruptions[why.kind] += 1
        self.interruption = why

    @property
    def leaving(self) -> bool:
        return self.interruption is not None and self.interruption.leaving

    @property
    def ready(self) -> bool:
        return self.state == contract.STATE_READY

    def serve(self, reference: VersionRef) -> None:
        """Loaded and probed: from here on `reference` answers, and its answers are counted anew."""
        self.loaded, self.refused, self.state = reference, None, contract.STATE_READY
        self.answered = self.failed = 0

    def count_answer(self, *, failed: bool) -> None:
        """One answer has ended, or the engine failed it; a client that left, or asked for what cannot be, is none."""
        self.answered += 1
        self.failed += failed

    def report(self) -> dict[str, Any]:
        """The readiness report, as JSON members."""
        seconds = {phase: _rounded(value) for phase, value in self.warm_up_seconds.items()}
        return {
            "instance_id": self.instance_id,
            "model": self.model,
            "version": self.loaded.version if self.loaded else None,
            "manifest_sha256": self.loaded.manifest_sha256 if self.loaded else None,
            "state": self.state,
            "wanted": self.wanted.version if self.wanted else None,
            "refused": self.refused.version if self.refused else None,
            "leaving": self.leaving,
            "interruption": _described(self.interruption),
            "drain_seconds_left": _rounded(self.drain_seconds_left),
            "error": self.error,
            "in_flight": self.admission.in_flight,
            "slots": self.admission.slots,
            "answered": self.answered,
            "failed": self.failed,
            "warm_up_seconds": seconds,
            "compile_cache": self.compile_cache,
            "engine": self.engine,
            "pid": os.getpid(),
            "address": self.address,
            "rebalance_recommended": self.rebalance_recommended,
        }


def _described(why: Interruption | None) -> dict[str, str | None] | None:
    if why is None:
        return None
    return {"kind": why.kind, "source": why.source, "deadline": why.deadline.isoformat() if why.deadline else None}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
