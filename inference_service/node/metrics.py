"""The node's Prometheus figures, taken from its status when they are asked for."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from inference_service import contract
from inference_service.node.engines.protocol import EngineLoad
from inference_service.node.readiness import NodeStatus


class NodeMetrics:
    """One registry of its own: nothing global, so that several nodes can live in one test process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.tokens = Counter(contract.METRIC_NODE_TOKENS, "Tokens decoded for answers", registry=self._registry)
        self._state = self._gauge(contract.METRIC_NODE_STATE, "1 for the node's present state", "state")
        self._warm_up = self._gauge(contract.METRIC_WARM_UP_SECONDS, "Seconds of each warm-up phase", "phase")
        self._cache = self._gauge(
            contract.METRIC_COMPILE_CACHE, "1 for where the engine's compiled code came from", "outcome"
        )
        self._in_flight = self._gauge(contract.METRIC_NODE_IN_FLIGHT, "Requests accepted and not yet answered")
        self._interruptions = self._gauge(
            f"{contract.METRIC_NODE_INTERRUPTIONS}_total", "Reasons to stop taking work, by kind", "kind"
        )
        self._jobs = self._gauge(
            f"{contract.METRIC_NODE_JOBS}_total", "Jobs that this node was given, by what came of them", "outcome"
        )
        self._running = self._gauge(contract.METRIC_ENGINE_RUNNING, "Answers being decoded, as the engine says")
        self._waiting = self._gauge(contract.METRIC_ENGINE_WAITING, "Requests queued inside the engine")

    def exposition(self, status: NodeStatus, busy: EngineLoad | None) -> bytes:
        """The text format of https://prometheus.io/docs/instrumenting/exposition_formats/ for this moment."""
        for state in contract.NODE_STATES:
            self._state.labels(state).set(state == status.state)
        for phase, seconds in status.warm_up_seconds.items():
            if seconds is not None:
                self._warm_up.labels(phase).set(seconds)
        for outcome in contract.CACHE_OUTCOMES:
            self._cache.labels(outcome).set(outcome == status.compile_cache)
        for kind, count in status.interruptions.items():
            self._interruptions.labels(kind).set(count)
        for outcome in contract.JOB_OUTCOMES:
            self._jobs.labels(outcome).set(status.jobs[outcome])
        self._in_flight.set(status.admission.in_flight)
        if busy is not None:
            self._running.set(busy.running)
            self._waiting.set(busy.waiting)
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)
