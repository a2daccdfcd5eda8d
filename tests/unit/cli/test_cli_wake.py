"""When an activation wakes a fleet, and which groups it asks."""

from cli_checkout import OUTPUTS

from scripts.stack_outputs import FleetOutputs, parse
from scripts.wake import Wake, to_wake

FLEET = FleetOutputs("tiny", "tiny-spot", "tiny-on-demand", initial_nodes=2)
WITH_BASE = FleetOutputs("tiny", "tiny-spot", "tiny-on-demand", initial_nodes=2, on_demand_base=1)
ASLEEP = {"tiny-spot": 0, "tiny-on-demand": 0}


def test_a_sleeping_fleet_gets_its_initial_nodes_in_the_spot_group() -> None:
    assert to_wake(FLEET, ASLEEP) == (Wake("tiny-spot", 2),)


def test_the_on_demand_base_is_asked_for_beside_the_initial_nodes() -> None:
    assert set(to_wake(WITH_BASE, ASLEEP)) == {Wake("tiny-spot", 2), Wake("tiny-on-demand", 1)}


def test_a_fleet_that_runs_anywhere_is_left_as_it_was_scaled() -> None:
    for fleet in (FLEET, WITH_BASE):
        assert to_wake(fleet, {"tiny-spot": 0, "tiny-on-demand": 1}) == ()
        assert to_wake(fleet, {"tiny-spot": 5, "tiny-on-demand": 0}) == ()


def test_a_fleet_without_spot_wakes_on_demand_with_whichever_is_more() -> None:
    asleep = {"tiny-on-demand": 0}
    assert to_wake(FleetOutputs("tiny", None, "tiny-on-demand", 1), asleep) == (Wake("tiny-on-demand", 1),)
    assert to_wake(FleetOutputs("tiny", None, "tiny-on-demand", 1, 3), asleep) == (Wake("tiny-on-demand", 3),)


def test_a_fleet_that_starts_with_no_nodes_stays_asleep_but_for_its_base() -> None:
    assert to_wake(FleetOutputs("tiny", "tiny-spot", None, 0), {"tiny-spot": 0}) == ()
    assert to_wake(FleetOutputs("tiny", "tiny-spot", "tiny-on-demand", 0, 1), ASLEEP) == (Wake("tiny-on-demand", 1),)


def test_an_old_stack_has_no_base_and_no_promoter() -> None:
    old = parse(OUTPUTS, "dev")
    assert (old.promoter_role, old.fleet("tiny").on_demand_base) == (None, 0)
    fleets = {"tiny": OUTPUTS["fleets"]["tiny"] | {"onDemandBaseNodes": 1.0}}
    new = parse(OUTPUTS | {"promoterRoleArn": "arn:role", "fleets": fleets}, "dev")
    assert (new.promoter_role, new.fleet("tiny").on_demand_base) == ("arn:role", 1)
