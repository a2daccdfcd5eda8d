"""Policies that others publish behave as their documentation says."""

from infra.planner.model import Limits, Observation, Plan, Policy, Pool
from scripts.simulator.policies.knative_kpa import KnativeKpa
from scripts.simulator.policies.ray_serve import RayServe

LIMITS = Limits({"on-demand": 100})


def wishes(policy: Policy, loads: list[float], waiting_seconds: list[float] | None = None) -> list[int]:
    """Replicas that are wanted minute by minute while ten are ready; loads in replicas at work, waiting work on top."""
    state, found = None, []
    for minute, (load, waits) in enumerate(zip(loads, waiting_seconds or [0.0] * len(loads), strict=True)):
        pools = (Pool("on-demand", False, 1.0, 10, 10),)
        last: Plan = policy(Observation(60.0 * minute, pools, 1.0, load, waits), state, LIMITS)
        state = last.state
        found.append(last.desired()["on-demand"])
    return found


def test_knative_keeps_containers_at_seven_tenths_of_what_they_take() -> None:
    assert wishes(KnativeKpa(on_demand_share=1.0), [7.0, 3.4]) == [10, 5]


def test_knative_panics_at_twice_what_is_ready_and_does_not_scale_in_for_the_stable_window() -> None:
    found = wishes(KnativeKpa(on_demand_share=1.0), [7.0] * 4, [0.0, 40.0, 0.0, 0.0])
    assert found == [10, 68, 68, 10]  # 35 requests at work and 200 that wait, by 3.5


def test_ray_serve_wants_two_of_five_requests_a_replica_and_waits_ten_minutes_to_scale_in() -> None:
    found = wishes(RayServe(on_demand_share=1.0), [4.0, 6.0, *[2.0] * 11])
    assert found == [10, 15, *[15] * 9, 5, 5]
