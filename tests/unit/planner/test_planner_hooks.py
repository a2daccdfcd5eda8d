"""The launch hook's timeout follows what is measured, within bounds, and never on a guess."""

import pytest

from infra import lifecycle
from infra.planner.hooks import LEAST_SECONDS, STEP_SECONDS, launch_seconds
from infra.planner.warm_up import PRIOR_COUNTS_UNTIL, WarmUpTimes

MOST = lifecycle.LAUNCH_HEARTBEAT_SECONDS
ENOUGH = PRIOR_COUNTS_UNTIL


def times(seconds: float) -> WarmUpTimes:
    return WarmUpTimes([(seconds, True, "")] * ENOUGH)


@pytest.mark.parametrize(("warm_up", "wanted"), [(20.0, LEAST_SECONDS), (200.0, 420), (209.0, 420), (1200.0, MOST)])
def test_it_is_twice_the_p99_within_bounds(warm_up: float, wanted: int) -> None:
    assert launch_seconds(times(warm_up), ENOUGH, 0, MOST) == wanted
    assert wanted % STEP_SECONDS == 0


def test_too_few_launches_of_what_is_launched_now_or_one_that_failed_leave_it_to_the_program() -> None:
    assert launch_seconds(times(20.0), ENOUGH - 1, 0, MOST) == MOST
    assert launch_seconds(times(20.0), ENOUGH, 1, MOST) == MOST


def test_its_least_leaves_room_for_many_heartbeats_and_auto_scaling_takes_it() -> None:
    assert LEAST_SECONDS > 5 * 20.0  # a node's heartbeats: NodeSettings.heartbeat_seconds
    assert lifecycle.LEAST_HEARTBEAT_SECONDS <= LEAST_SECONDS <= MOST <= 7200
