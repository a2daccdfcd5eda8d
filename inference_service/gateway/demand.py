"""What clients ask for, for whoever sizes the fleet: published to CloudWatch once a minute, by model.

Counted where a request is sent to nodes: the tokens that it needs, how much of that waits for a warm node, and
how many requests waited longer for their answer's begin than is promised, or were refused for want of a node.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog

from inference_service import contract


@dataclass
class Demand:
    """One model in the running minute. Tokens as in work.py; `waiting_tokens` is not of the minute but of now."""

    offered_tokens: float = 0.0
    answered: int = 0
    late: int = 0
    waiting_tokens: float = 0.0


class DemandMeter:
    """Counts; publishes nothing. `promised_seconds` is by model."""

    def __init__(self, models: tuple[str, ...], promised_seconds: Mapping[str, float]) -> None:
        self._promised = promised_seconds
        self.models = {model: Demand() for model in models}
        self._waiting: defaultdict[str, float] = defaultdict(float)

    def offered(self, model: str, tokens: float) -> None:
        if demand := self.models.get(model):
            demand.offered_tokens += tokens

    def began(self, model: str, waited_seconds: float) -> None:
        """An answer has begun; it is late if that took longer than promised."""
        if demand := self.models.get(model):
            demand.answered += 1
            demand.late += waited_seconds > self._promised.get(model, contract.SLO_WAIT_SECONDS)

    def refused(self, model: str) -> None:
        """No node took the request in time."""
        if demand := self.models.get(model):
            demand.answered += 1
            demand.late += 1

    @contextmanager
    def waiting(self, model: str, tokens: float) -> Iterator[None]:
        self._waiting[model] += tokens
        try:
            yield
        finally:
            self._waiting[model] -= tokens

    def take(self) -> dict[str, Demand]:
        """The minute that ends now, by model; the next one begins."""
        taken = {model: replace(each, waiting_tokens=self._waiting[model]) for model, each in self.models.items()}
        self.models = {model: Demand() for model in taken}
        return taken


def figures(environment: str, demand: Mapping[str, Demand]) -> list[dict[str, Any]]:
    """As PutMetricData takes them: gateways add up, so every statistic that is read is a sum."""
    found = []
    for model, one in demand.items():
        dimensions = contract.model_dimensions(environment, model)
        for name, value, unit in (
            (contract.METRIC_OFFERED_TOKENS, one.offered_tokens, "Count"),
            (contract.METRIC_WAITING_TOKENS, max(one.waiting_tokens, 0.0), "Count"),
            (contract.METRIC_ANSWERED_REQUESTS, one.answered, "Count"),
            (contract.METRIC_LATE_REQUESTS, one.late, "Count"),
        ):
            found.append({"MetricName": name, "Dimensions": dimensions, "Value": float(value), "Unit": unit})
    return found


def seconds_until_report(now: float, period: float) -> float:
    """Until the middle of a clock's period: at least half a period, so that a timer that rings early reports once.

    In the middle, because CloudWatch counts a figure to the minute in which it comes: at the edges one minute would
    get two of a gateway's, the next one none, and whoever counts who reports would miss a gateway that is there.
    """
    left = period - (now - period / 2) % period
    return left if left >= period / 2 else left + period


async def publish(
    meter: DemandMeter, cloudwatch: Any, environment: str, seconds: float, now: Callable[[], float] = time.time
) -> None:
    """Send each minute's figures, for ever. A minute that AWS does not take is lost: scaling holds what it has then."""
    log, failing = structlog.get_logger(), False
    while True:
        await asyncio.sleep(seconds_until_report(now(), seconds))
        data = figures(environment, meter.take())
        try:
            await asyncio.to_thread(cloudwatch.put_metric_data, Namespace=contract.NAMESPACE_WARMFLEET, MetricData=data)
            failing = False
        except Exception as error:  # AWS's, or a surprise of its SDK: neither may end the gateway
            if not failing:
                log.warning("CloudWatch does not take the demand; scaling holds what it has", error=str(error))
            failing = True
