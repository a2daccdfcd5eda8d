"""When a node will be warm, from how long others took."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from inference_service import contract
from inference_service.gateway.node_view import NodeView

PRIOR_SECONDS = 120.0  # nothing measured yet: an estimate of launch, download and load of a small model
KEPT = 20
SHARE = 0.9  # of the launches were not slower


class WarmUps:
    """What nodes took from their launch to their first token, by model; the last few launches count."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}
        self._counted: set[str] = set()

    def note(self, view: NodeView) -> None:
        """A node's report; each launch is counted once, when it is over."""
        instance_id = view.found.instance_id
        if instance_id in self._counted or view.state != contract.STATE_READY or view.report is None:
            return
        if (seconds := _total(view.report.get("warm_up_seconds"))) is not None:
            self._counted.add(instance_id)
            self._seconds.setdefault(view.found.model, deque(maxlen=KEPT)).append(seconds)

    def forget(self, instance_id: str) -> None:
        self._counted.discard(instance_id)

    def measured(self, model: str) -> float | None:
        """Nine of ten launches were warm within this time; None before the first."""
        known = sorted(self._seconds.get(model, ()))
        return known[min(len(known) - 1, int(SHARE * len(known)))] if known else None


def _total(phases: Any) -> float | None:
    """All phases, of a process that was its instance's first: only that one knows how long the launch took."""
    if not isinstance(phases, Mapping) or not isinstance(phases.get(contract.PHASE_LAUNCH), int | float):
        return None
    return float(sum(each for each in phases.values() if isinstance(each, int | float)))
