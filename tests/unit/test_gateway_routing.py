"""Which node gets a request, and what a client hears when none can."""

from dataclasses import replace
from typing import Any

import pytest

from inference_service import contract
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.node_view import MOST_MISSED_POLLS, NodeView, merge, missed, reported
from inference_service.gateway.routing import (
    FAILING_SECONDS,
    LAUNCH_SECONDS,
    LOADING_SECONDS,
    choose,
    no_warm_node,
    shortened,
)


def view(name: str, *, model: str = "m", in_flight: int = 0, **report: Any) -> NodeView:
    """A node that has reported; ready unless told otherwise."""
    given = {"instance_id": name, "model": model, "state": contract.STATE_READY, "slots": 4, "error": None}
    found = FoundNode(name, "10.0.0.1", "us-east-1a", "spot", model)
    return reported(NodeView(found), given | {"in_flight": in_flight} | report, now=0.0, in_flight=0)


def chosen(*views: NodeView, in_flight: Any = None, turns: Any = None, tried: Any = ()) -> str | None:
    best = choose(views, "m", in_flight or {}, turns or {}, tried)
    return best.found.instance_id if best else None


def test_the_least_loaded_ready_node_of_the_model_is_chosen():
    assert chosen(view("a"), view("b"), in_flight={"a": 2, "b": 1}) == "b"
    assert chosen(view("a", state=contract.STATE_DRAINING), view("b"), in_flight={"b": 9}) == "b"
    assert chosen(view("a", model="other"), view("b"), in_flight={"b": 9}) == "b"
    assert chosen(view("a"), view("b"), in_flight={"b": 9}, tried={"a"}) == "b"
    assert chosen(replace(view("a"), set_aside=True)) is None
    assert chosen() is None


def test_load_is_counted_per_slot_and_includes_other_gateways():
    assert chosen(view("a", slots=1), view("b", slots=8), in_flight={"a": 1, "b": 4}) == "b"
    assert chosen(view("a", in_flight=3), view("b"), in_flight={"a": 0, "b": 2}) == "b"


def test_this_gateways_own_requests_are_not_counted_twice():
    mine = reported(view("a"), dict(view("a", in_flight=3).report or {}), now=1.0, in_flight=3)
    assert mine.others_in_flight == 0


def test_equal_nodes_take_turns():
    assert chosen(view("a"), view("b"), turns={"a": 2, "b": 1}) == "b"
    assert chosen(view("a"), view("b"), turns={"a": 2}) == "b"


def test_a_node_is_routed_to_until_it_has_missed_three_polls():
    seen = view("a")
    for _ in range(MOST_MISSED_POLLS - 1):
        seen = missed(seen, "timeout")
        assert seen.routable
    assert not missed(seen, "timeout").routable
    assert reported(missed(seen, "timeout"), seen.report, now=2.0, in_flight=0).routable


def test_a_node_leaves_the_list_when_three_answers_of_ec2_lack_it():
    nodes = {"a": view("a"), "b": view("b")}
    for _ in range(MOST_MISSED_POLLS - 1):
        nodes = merge(nodes, [nodes["b"].found])
        assert set(nodes) == {"a", "b"}
    assert set(merge(nodes, [nodes["b"].found])) == {"b"}
    back = merge(nodes, [nodes["a"].found, nodes["b"].found])
    assert back["a"].missed_discovery == 0
    assert back["a"].report is not None  # what is known of it is kept


@pytest.mark.parametrize(
    "report",
    [
        "text",
        {"state": "happy"},
        {"state": "ready", "model": "m", "instance_id": "i-another"},
        {"state": "ready", "model": "other", "instance_id": "a"},
    ],
)
def test_what_is_not_the_nodes_own_report_counts_as_a_missed_poll(report: Any):
    seen = reported(NodeView(view("a").found), report, now=0.0, in_flight=0)
    assert not seen.routable
    assert seen.error
    assert seen.missed_readiness == 1


def test_a_failed_node_is_routed_to_again_after_its_next_good_report():
    aside = replace(view("a"), set_aside=True)
    assert reported(aside, aside.report, now=1.0, in_flight=0).routable


def said(*views: NodeView, listed: bool = True) -> tuple[str, int]:
    error = no_warm_node(views, "m", listed=listed)
    assert (error.status, error.code, error.kind) == (503, "no_warm_node", "server_error")
    return error.message, int(error.headers["Retry-After"])


def test_without_nodes_a_client_is_told_to_come_back_after_a_launch():
    assert said() == ("No node of model `m` is running.", LAUNCH_SECONDS)
    assert said(view("x", model="other")) == ("No node of model `m` is running.", LAUNCH_SECONDS)
    assert "AWS" in said(listed=False)[0]


def test_loading_nodes_are_counted_and_promise_an_early_answer():
    text, seconds = said(view("a", state="loading"), view("b", state="downloading"), view("c", state="loading"))
    assert text == "No node is warm: 3 nodes of model `m` (1 downloading, 2 loading)."
    assert seconds == LOADING_SECONDS
    assert said(NodeView(view("a").found)) == ("No node is warm: 1 node of model `m` (1 starting).", LOADING_SECONDS)


def test_a_node_that_cannot_serve_says_why_and_promises_less():
    text, seconds = said(view("a", state="downloading", error="no active version of m"))
    assert text.endswith("One says: no active version of m")
    assert seconds == FAILING_SECONDS
    assert said(view("a", state="draining"))[1] == LAUNCH_SECONDS


def test_an_error_text_reaches_clients_without_internals():
    text = "s3://bucket/models/m/v1 at 10.0.3.7:8000 (i-0123456789abcdef0): differs\nTraceback"
    assert shortened(text) == "… at … (…): differs"
    assert len(shortened("word " * 100)) == 160


def test_a_failed_polls_wording_stays_inside():
    text, _ = said(replace(NodeView(view("a").found), error="10.0.0.1:8000 does not answer"))
    assert "10.0.0.1" not in text
