"""When an activation wakes a fleet, and which group it asks."""

from scripts.stack_outputs import FleetOutputs
from scripts.wake import Wake, to_wake

FLEET = FleetOutputs("tiny", "tiny-spot", "tiny-on-demand", initial_nodes=2)


def test_a_sleeping_fleet_gets_its_initial_nodes_in_the_spot_group() -> None:
    assert to_wake(FLEET, {"tiny-spot": 0, "tiny-on-demand": 0}) == Wake("tiny-spot", 2)


def test_a_fleet_that_runs_anywhere_is_left_as_it_was_scaled() -> None:
    assert to_wake(FLEET, {"tiny-spot": 0, "tiny-on-demand": 1}) is None
    assert to_wake(FLEET, {"tiny-spot": 5, "tiny-on-demand": 0}) is None


def test_a_fleet_without_spot_wakes_on_demand() -> None:
    assert to_wake(FleetOutputs("tiny", None, "tiny-on-demand", 1), {"tiny-on-demand": 0}) == Wake("tiny-on-demand", 1)


def test_a_fleet_that_starts_with_no_nodes_stays_asleep() -> None:
    assert to_wake(FleetOutputs("tiny", "tiny-spot", None, 0), {"tiny-spot": 0}) is None
