"""What the gateway tells of demand: each request counts once, as offered, and as late or not."""

from typing import Any

import pytest

from inference_service import contract
from inference_service.gateway.demand import DemandMeter, figures, publish, seconds_until_report


def meter() -> DemandMeter:
    return DemandMeter(("a", "b"), {"a": 2.0})


def test_an_answer_is_late_when_it_began_after_the_promise_of_its_model() -> None:
    counted = meter()
    for model, waited in (("a", 1.9), ("a", 2.1), ("b", 19.0), ("b", 21.0)):
        counted.began(model, waited)
    taken = counted.take()
    assert [(taken[m].answered, taken[m].late) for m in "ab"] == [(2, 1), (2, 1)]


def test_a_refused_request_is_late_and_one_for_an_unknown_model_counts_nowhere() -> None:
    counted = meter()
    counted.refused("a")
    counted.offered("nobody", 5.0)
    counted.began("nobody", 0.0)
    assert counted.take()["a"].late == 1


def test_what_waits_is_told_again_each_minute_and_the_rest_once() -> None:
    counted = meter()
    counted.offered("a", 100.0)
    with counted.waiting("a", 40.0):
        first, second = counted.take()["a"], counted.take()["a"]
    assert (first.offered_tokens, first.waiting_tokens) == (100.0, 40.0)
    assert (second.offered_tokens, second.waiting_tokens) == (0.0, 40.0)
    assert counted.take()["a"].waiting_tokens == 0.0


@pytest.mark.parametrize(
    ("now", "wait"), [(0.0, 30.0), (30.0, 60.0), (29.9, 60.1), (31.0, 59.0), (59.0, 31.0), (1.0, 89.0)]
)
def test_a_gateway_reports_once_in_each_minute_and_never_at_its_edge(now: float, wait: float) -> None:
    assert seconds_until_report(120.0 + now, 60.0) == pytest.approx(wait if now != 1.0 else 89.0)
    assert (now + wait) % 60.0 == pytest.approx(30.0)


async def test_a_failing_cloudwatch_ends_nothing() -> None:
    sent: list[dict[str, Any]] = []

    class CloudWatch:
        def put_metric_data(self, **data: Any) -> None:
            sent.append(data)
            if len(sent) == 1:
                raise OSError("no route")
            if len(sent) == 3:
                raise SystemExit  # ends the endless loop

    with pytest.raises(SystemExit):
        await publish(meter(), CloudWatch(), "dev", seconds=0.001)
    assert {one["MetricName"] for one in sent[1]["MetricData"]} == {
        contract.METRIC_OFFERED_TOKENS,
        contract.METRIC_WAITING_TOKENS,
        contract.METRIC_ANSWERED_REQUESTS,
        contract.METRIC_LATE_REQUESTS,
    }
    assert {len(one["Dimensions"]) for one in figures("dev", meter().take())} == {2}
