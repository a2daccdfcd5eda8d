"""When a target is healthy, by the Application Load Balancer's rules."""

from collections.abc import Sequence

import pytest

from localcloud.admin import HealthCheck
from localcloud.health import HEALTHY, INITIAL, UNHEALTHY, TargetHealth, matches, observe

CHECK = HealthCheck("/healthz", "traffic-port", 10.0, 2.0, healthy_threshold=3, unhealthy_threshold=2, matcher="200")
BAD = "Target.FailedHealthChecks"


def after(results: Sequence[str | None], health: TargetHealth, age_seconds: float = 1.0) -> TargetHealth:
    for result in results:
        health = observe(health, result, CHECK, age_seconds)
    return health


def test_one_success_makes_a_new_target_healthy() -> None:
    assert after([BAD, BAD, BAD, None], TargetHealth()).state == HEALTHY


def test_a_new_target_has_as_long_to_come_up_as_an_old_one_has_to_recover() -> None:
    assert after([BAD] * 30, TargetHealth(), age_seconds=19.9).state == INITIAL
    assert after([BAD], TargetHealth(), age_seconds=20.0) == TargetHealth(UNHEALTHY, BAD)


def test_a_healthy_target_goes_out_after_as_many_failures_in_a_row_as_the_threshold_says() -> None:
    healthy = TargetHealth(HEALTHY, "")
    assert after([BAD], healthy).state == HEALTHY
    assert after([BAD, None, BAD], healthy).state == HEALTHY
    assert after([BAD, BAD], healthy) == TargetHealth(UNHEALTHY, BAD)


def test_an_unhealthy_target_comes_back_after_as_many_successes_in_a_row_as_the_threshold_says() -> None:
    unhealthy = TargetHealth(UNHEALTHY, BAD)
    assert after([None, None], unhealthy).state == UNHEALTHY
    assert after([None, None, BAD, None, None], unhealthy).state == UNHEALTHY
    assert after([None] * 3, unhealthy) == TargetHealth(HEALTHY, "")


@pytest.mark.parametrize(
    ("matcher", "good", "bad"),
    [("200", [200], [201, 500]), ("200,204", [200, 204], [202]), ("200-299,404", [200, 299, 404], [199, 300, 403])],
)
def test_a_status_is_good_when_the_matcher_names_it(matcher: str, good: list[int], bad: list[int]) -> None:
    assert [status for status in good + bad if matches(status, matcher)] == good
