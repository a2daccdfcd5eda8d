"""Which node gets a request, and what a client hears when none can."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from inference_service import contract
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.expected_ready import WarmUps
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.node_view import MOST_MISSED_POLLS, NodeView, merge, missed, reported
from inference_service.gateway.prefixes import BLOCK_BYTES, PrefixMemory, blocks_of
from inference_service.gateway.routing import FAILING_SECONDS, LOADING_SECONDS, no_warm_node, shortened
from inference_service.gateway.work import Work, expected

SHORT = Work(most_tokens=50)


def view(name: str, *, model: str = "m", in_flight: int = 0, **report: Any) -> NodeView:
    """A node that has reported; ready unless told otherwise."""
    given = {"instance_id": name, "model": model, "state": contract.STATE_READY, "slots": 4, "error": None}
    found = FoundNode(name, "10.0.0.1", "us-east-1a", "spot", model)
    return reported(NodeView(found), given | {"in_flight": in_flight} | report, now=0.0, in_flight=0)


MINE = FoundNode("x", "10.0.0.1", "us-east-1a", "spot", "m")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fleet_of(*views: NodeView, clock: Clock | None = None) -> Fleet:
    fleet = Fleet(clock or Clock())
    fleet.nodes = {each.found.instance_id: each for each in views}
    return fleet


def chosen(fleet: Fleet, work: Work = SHORT, tried: Any = ()) -> str | None:
    best = fleet.choose("m", tried, work)
    return best.found.instance_id if best else None


def busy(fleet: Fleet, stack: ExitStack, name: str, count: int = 1, work: Work = SHORT) -> None:
    for _ in range(count):
        stack.enter_context(fleet.request_to(fleet.nodes[name], work))


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("busier", view("a", in_flight=10)),
        ("draining", view("a", state=contract.STATE_DRAINING)),
        ("another model's", view("a", model="other")),
        ("set aside", replace(view("a"), set_aside=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_node_that_is_worse_is_not_chosen(rule: str, other: NodeView):
    fleet = fleet_of(other, view("b", in_flight=1))
    assert chosen(fleet) == "b"
    assert chosen(fleet, tried={"b"}) == ("a" if rule == "busier" else None)


def test_load_is_counted_per_slot():
    fleet = fleet_of(view("a", slots=1, in_flight=1), view("b", slots=8, in_flight=4))
    assert chosen(fleet) == "b"


def test_expected_tokens_count_not_requests():
    fleet = fleet_of(view("a"), view("b"))
    with ExitStack() as stack:
        busy(fleet, stack, "a", 3, Work(most_tokens=10))
        busy(fleet, stack, "b", 1, Work(most_tokens=200))
        assert chosen(fleet) == "a"
    assert (fleet.in_flight.total(), fleet.expected_tokens.total()) == (0, 0)


def test_what_answers_usually_take_is_learned():
    fleet = fleet_of(view("a"), view("b"))
    for _ in range(200):
        fleet.usual.learn("m", 20)
    assert 19 < fleet.usual.of("m") < 22
    with ExitStack() as stack:
        busy(fleet, stack, "a", 1, Work())  # no limit of its own: the usual 20
        busy(fleet, stack, "b", 1, Work(prompt_bytes=4000))  # and a thousand tokens to read
        assert chosen(fleet) == "a"


def test_this_gateways_own_requests_are_not_counted_twice():
    mine = reported(view("a"), dict(view("a", in_flight=3).report or {}), now=1.0, in_flight=3)
    assert mine.others_in_flight == 0


def test_equal_nodes_take_turns():
    fleet = fleet_of(view("a"), view("b"), view("c"))
    turns = []
    for _ in range(6):
        turns.append(chosen(fleet))
        with fleet.request_to(fleet.nodes[turns[-1] or ""], SHORT):
            pass
    assert turns == ["a", "b", "c"] * 2


PROMPT = b"You are a helpful assistant. " * 200
LONG = Work(len(PROMPT), blocks_of(PROMPT), most_tokens=50)


def test_a_prompt_goes_where_its_beginning_is_known():
    fleet = fleet_of(view("a"), view("b"))
    with fleet.request_to(fleet.nodes["b"], LONG):
        pass
    assert chosen(fleet) == "a"  # another prompt takes turns
    assert chosen(fleet, LONG) == "b"
    longer = PROMPT + b"And now something else entirely. " * 20
    assert chosen(fleet, Work(len(longer), blocks_of(longer), 50)) == "b"


def test_a_known_prompt_does_not_pile_up_on_one_node():
    fleet = fleet_of(view("a", slots=1), view("b", slots=1))
    with ExitStack() as stack:
        busy(fleet, stack, "b", 3, LONG)
        assert chosen(fleet, LONG) == "a"


def test_a_node_that_comes_back_with_another_engine_knows_nothing():
    fleet = fleet_of(view("a"), view("b"))
    with fleet.request_to(fleet.nodes["b"], LONG):
        pass
    report = dict(fleet.nodes["b"].report or {})
    fleet.reported("b", report | {"state": contract.STATE_LOADING})
    fleet.reported("b", report)
    assert chosen(fleet, LONG) == "a"


def test_the_memory_of_prompts_is_bounded_and_forgets_the_oldest_ends_first():
    memory, old, new = PrefixMemory(most_blocks=4), blocks_of(b"o" * BLOCK_BYTES * 3), blocks_of(b"n" * BLOCK_BYTES * 3)
    memory.remember("a", old)
    memory.remember("a", new)
    assert (memory.known_bytes("a", new), memory.known_bytes("a", old)) == (3 * BLOCK_BYTES, BLOCK_BYTES)


def test_blocks_are_equal_only_while_all_before_them_is():
    one, two = blocks_of(b"x" * 256 + b"y" * 300), blocks_of(b"z" * 256 + b"y" * 300)
    assert len(one) == 2
    assert one[1] != two[1]


@pytest.mark.parametrize("messages", [None, "text", [None, 3], [{"role": "user", "content": [{"text": 1}, "x"]}]])
def test_work_of_a_request_that_the_node_will_refuse_is_no_error(messages: Any):
    assert expected({"messages": messages, "max_tokens": "many"}).most_tokens is None


def test_several_answers_are_several_times_the_work():
    assert expected({"n": 3, "max_tokens": 50}).answer_tokens(usual=256) == 150
    assert [expected({"n": n}).answer_tokens(usual=10) for n in (None, "2", 0, 9)] == [10] * 4


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


def said(
    *views: NodeView, now: float = 0.0, measured: float | None = None, listed: bool = True
) -> tuple[str, int, Any]:
    error = no_warm_node(views, "m", now, measured, listed=listed)
    assert (error.status, error.code, error.kind) == (503, "no_warm_node", "server_error")
    return error.message, int(error.headers["Retry-After"]), error.headers.get("x-expected-ready-seconds")


def test_without_nodes_a_client_is_told_to_come_back_after_a_launch_but_in_a_minute_at_most():
    assert said() == ("No node of model `m` is running.", 60, "120")
    assert said(view("x", model="other"), measured=33.2) == ("No node of model `m` is running.", 34, "34")
    assert "AWS" in said(listed=False)[0]


LOADING, DOWNLOADING = view("a", state="loading"), view("b", state="downloading")


def test_loading_nodes_are_counted_and_asked_for_again_soon_while_nothing_is_measured():
    text, seconds, expected = said(LOADING, DOWNLOADING, replace(LOADING, found=FoundNode("c", "", "", "spot", "m")))
    assert text == "No node is warm: 3 nodes of model `m` (1 downloading, 2 loading)."
    assert (seconds, expected) == (LOADING_SECONDS, "120")
    assert said(NodeView(MINE))[:2] == ("No node is warm: 1 node of model `m` (1 starting).", LOADING_SECONDS)


def test_a_warm_up_that_was_measured_tells_what_is_left_of_this_one():
    older = replace(LOADING, found_at=100.0)
    assert said(older, DOWNLOADING, now=130.0, measured=300.0)[1:] == (60, "170")  # found at 0
    assert said(older, now=130.0, measured=75.0)[1:] == (45, "45")
    assert said(older, now=500.0, measured=75.0)[1:] == (1, "1")  # late already


def test_a_node_that_cannot_serve_says_why_and_promises_less():
    text, seconds, expected = said(view("a", state="downloading", error="no active version of m"), measured=10.0)
    assert text.endswith("One says: no active version of m")
    assert (seconds, expected) == (FAILING_SECONDS, None)
    assert said(view("a", state="draining"))[1:] == (60, "120")


def phases(*seconds: float | None) -> dict[str, float | None]:
    return dict(zip(contract.WARM_UP_PHASES, seconds, strict=False))


def test_nine_of_ten_launches_are_warm_within_what_is_expected():
    warm_ups = WarmUps()
    assert warm_ups.measured("m") is None
    for number in range(1, 11):
        warm_ups.note(view(f"i-{number}", warm_up_seconds=phases(number * 10, 1, 1)))
    assert warm_ups.measured("m") == 102
    warm_ups.note(view("i-11", warm_up_seconds=phases(None, 1, 1)))  # a restarted process: no launch
    warm_ups.note(view("i-1", warm_up_seconds=phases(9000, 1, 1)))  # counted already
    warm_ups.note(view("i-12", state=contract.STATE_LOADING, warm_up_seconds=phases(9000, 1, 1)))
    assert warm_ups.measured("m") == 102


def test_an_error_text_reaches_clients_without_internals():
    text = "s3://bucket/models/m/v1 at 10.0.3.7:8000 (i-0123456789abcdef0): differs\nTraceback"
    assert shortened(text) == "… at … (…): differs"
    assert len(shortened("word " * 100)) == 160


def test_a_failed_polls_wording_stays_inside():
    text, *_ = said(replace(NodeView(view("a").found), error="10.0.0.1:8000 does not answer"))
    assert "10.0.0.1" not in text
