"""The gateway's Prometheus figures. Nothing here is touched for a single token."""

from collections import Counter as Count

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from inference_service import contract
from inference_service.gateway.fleet import Fleet

FIRST_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
UNKNOWN = "unknown"


class GatewayMetrics:
    """One registry of its own: nothing global, so that several gateways can live in one test process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            contract.METRIC_GATEWAY_REQUESTS, "Answered requests by status", ["code"], registry=registry
        )
        self.first_token = Histogram(
            contract.METRIC_GATEWAY_FIRST_TOKEN_SECONDS,
            "From the request's arrival to its first streamed event, waiting for a warm node included",
            registry=registry,
            buckets=FIRST_TOKEN_BUCKETS,
        )
        self.tokens = Counter(contract.METRIC_GATEWAY_TOKENS, "Tokens streamed to clients", registry=registry)
        self.broken = Counter(
            contract.METRIC_GATEWAY_BROKEN_STREAMS, "Streams that ended with an error event", registry=registry
        )
        self.resumed = Counter(
            contract.METRIC_GATEWAY_RESUMED_STREAMS, "Streams that another node went on with", registry=registry
        )
        self._nodes = Gauge(contract.METRIC_GATEWAY_NODES, "Known nodes by state", ["state"], registry=registry)
        self._in_flight = Gauge(
            contract.METRIC_GATEWAY_IN_FLIGHT, "Requests forwarded and not yet answered", registry=registry
        )
        self._waiting = Gauge(
            contract.METRIC_GATEWAY_WAITING, "Requests that no warm node could take yet", registry=registry
        )
        self._age = Gauge(
            contract.METRIC_GATEWAY_DISCOVERY_AGE_SECONDS, "Since EC2 last listed the nodes", registry=registry
        )

    def count(self, status: int) -> None:
        self._requests.labels(str(status)).inc()

    def exposition(self, fleet: Fleet, now: float) -> bytes:
        """The text format of https://prometheus.io/docs/instrumenting/exposition_formats/ for this moment."""
        states = Count(view.state or UNKNOWN for view in fleet.nodes.values())
        for state in (*contract.NODE_STATES, UNKNOWN):
            self._nodes.labels(state).set(states[state])
        self._in_flight.set(fleet.in_flight.total())
        self._waiting.set(fleet.waiting)
        if fleet.listed_at is not None:
            self._age.set(now - fleet.listed_at)
        return generate_latest(self._registry)
