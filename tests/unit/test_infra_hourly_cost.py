"""What an hour of a stack costs, by hand."""

from typing import Any

import pytest

from infra.hourly_cost import HourlyCost, Line, Nodes, Order, estimate, network_choices, way_out_usd

BALANCER = 0.0305
NAT = 0.05  # with its public address


def cost(*nodes: Nodes, **given: Any) -> HourlyCost:
    return estimate(Order(**{"region": "us-east-1", "nodes": nodes, **given}))


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        ({}, BALANCER),
        ({"nat_gateways": 1}, BALANCER + NAT),
        ({"nat_gateways": 3}, BALANCER + 3 * NAT),
        ({"interface_endpoints": 14}, BALANCER + 0.14),
        ({"keys": 73}, BALANCER + 0.1),  # a dollar a month each
    ],
)
def test_what_always_runs_is_paid_for_idle_and_at_most(given: dict[str, Any], usd: float) -> None:
    found = cost(**given)
    assert found.idle_usd == found.most_usd == pytest.approx(usd, abs=0.0006)


def test_idle_counts_the_nodes_that_always_run_and_most_all_of_them_each_with_its_disk() -> None:
    found = cost(Nodes(("t3.small",), idle=2, most=3, disk_gib=73))  # $0.0208, and 73 GiB are $0.008 an hour
    assert found.idle_usd == pytest.approx(BALANCER + 2 * 0.0288, abs=0.0006)
    assert found.most_usd == pytest.approx(BALANCER + 3 * 0.0288, abs=0.0006)


@pytest.mark.parametrize("types", [("g6.xlarge", "g6.16xlarge"), ("g6.16xlarge", "g6.xlarge")])
def test_nodes_cost_as_the_dearest_of_their_types(types: tuple[str, ...]) -> None:
    found = cost(Nodes(types, idle=0, most=10, disk_gib=0))
    assert found.idle_usd == pytest.approx(BALANCER, abs=0.0006)
    assert found.most_usd == pytest.approx(BALANCER + 10 * 3.3968, abs=0.0006)


def test_stopped_nodes_of_a_warm_pool_cost_their_disks_even_while_no_node_runs() -> None:
    found = cost(Nodes(("g6.xlarge",), idle=0, most=1, disk_gib=730, stopped=2))
    assert found.idle_usd == pytest.approx(BALANCER + 2 * 0.08, abs=0.0006)
    assert found.most_usd == pytest.approx(BALANCER + 3 * 0.08 + 0.8048, abs=0.0006)


def test_types_without_a_known_price_are_named_and_count_as_nothing() -> None:
    found = cost(
        Nodes(("p5en.48xlarge", "p5e.48xlarge"), 0, 1, 0),
        Nodes(("zz.top",), 1, 1, 0),
        Nodes(("p5e.48xlarge",), 0, 1, 0),
    )
    assert found.unpriced == ("p5e.48xlarge", "zz.top")
    assert found.idle_usd == pytest.approx(BALANCER, abs=0.0006)
    assert found.most_usd == pytest.approx(BALANCER + 63.296, abs=0.0006)
    assert cost(Nodes(("t3.small",), 1, 1, 8)).unpriced == ()


def test_the_note_says_whose_prices_these_are_and_of_when() -> None:
    assert cost().note == "on-demand prices of us-east-1, instances as of 2026-01-19"
    assert "of us-east-1, which is not eu-central-1, " in cost(region="eu-central-1").note
    assert cost(region="eu-central-1").most_usd == cost().most_usd


def test_the_sums_are_those_of_the_lines_and_nothing_costs_nothing() -> None:
    found = cost(Nodes(("t3.small",), 2, 3, 16), nat_gateways=1)
    assert [line.what for line in found.lines] == ["load balancer", "NAT gateways", "instances of t3.small"]
    assert sum(line.idle_usd for line in found.lines) == pytest.approx(found.idle_usd, abs=0.0006)
    assert sum(line.most_usd for line in found.lines) == pytest.approx(found.most_usd, abs=0.0006)
    assert found.lines[0] == Line("load balancer", BALANCER, BALANCER)


def test_the_ways_out_are_priced_side_by_side() -> None:
    assert network_choices(zones=3, endpoints=7) == {"nat": 0.05, "nat_per_zone": 0.15, "interface_endpoints": 0.21}
    assert network_choices(zones=2, endpoints=4) == {"nat": 0.05, "nat_per_zone": 0.1, "interface_endpoints": 0.08}
    assert way_out_usd(0, 0) == 0
