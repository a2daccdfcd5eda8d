"""What signals ask of a node, and what it reads from instance metadata."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from inference_service import contract
from inference_service.contract import TAG_GROUP
from inference_service.node.admission import Admission
from inference_service.node.interruption import (
    REBALANCE_PATIENCE,
    Interruption,
    Kind,
    Signals,
    drain_deadline,
    interruption,
    read_signals,
)
from inference_service.node.metadata import Identity, InstanceMetadata, MetadataError
from inference_service.node.readiness import NodeStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPOT = ("terminate", NOW + timedelta(seconds=120))
IGNORE, STOP_ADMITTING, REPLACE = contract.REBALANCE_REACTIONS


def seen(now: datetime = NOW, reaction: str = IGNORE, **signals: Any) -> Interruption | None:
    return interruption(Signals(**signals), now, reaction)


def must(now: datetime = NOW, reaction: str = IGNORE, **signals: Any) -> Interruption:
    why = seen(now, reaction, **signals)
    assert why is not None
    return why


@pytest.mark.parametrize("reaction", [IGNORE, REPLACE])
def test_a_rebalance_recommendation_alone_is_no_reason_to_leave(reaction: str):
    assert seen(reaction=reaction, rebalance_noticed_at=NOW) is None


def test_a_node_that_stops_for_a_recommendation_comes_back_when_nothing_has_followed():
    why = must(reaction=STOP_ADMITTING, rebalance_noticed_at=NOW)
    assert (why.kind, why.leaving, why.final, why.deadline) == (Kind.REBALANCE, True, False, None)
    later = NOW + REBALANCE_PATIENCE
    assert seen(later, STOP_ADMITTING, rebalance_noticed_at=NOW) is None
    assert must(later, STOP_ADMITTING, rebalance_noticed_at=NOW, spot_action=SPOT).kind is Kind.SPOT


@pytest.mark.parametrize("state", ["InService", "Warmed:Stopped", None])
def test_only_a_termination_makes_an_auto_scaling_instance_leave(state: str | None):
    assert seen(target_state=state) is None


def test_a_termination_or_a_stop_signal_is_final():
    assert must(target_state="Terminated").final
    assert must(stop_requested=True).final


def test_a_spot_notice_is_final_only_when_its_time_has_come():
    early, late = must(spot_action=SPOT), must(NOW + timedelta(seconds=116), spot_action=SPOT)
    assert (early.final, late.final) == (False, True)


def test_several_signals_are_one_interruption_with_the_earliest_deadline():
    why = must(spot_action=SPOT, target_state="Terminated", stop_requested=True, engine_failure="the engine has ended")
    assert (why.kind, why.deadline, why.final) == (Kind.STOP, SPOT[1] - timedelta(seconds=5), True)


def test_a_failed_engine_interrupts_a_node_that_does_not_leave():
    why = must(engine_failure="the engine has ended")
    assert (why.kind, why.leaving, why.final, why.reason) == (Kind.ENGINE, False, False, "the engine has ended")


def test_the_same_interruption_is_counted_once_and_again_after_it_went_away():
    status = NodeStatus("m", "stub", Admission(1, 1))
    for why in (must(spot_action=SPOT), must(NOW + timedelta(seconds=1), spot_action=SPOT), None):
        status.interrupt(why)
    assert status.interruptions == {"spot_notice": 1}
    status.interrupt(must(spot_action=SPOT))
    assert status.interruptions == {"spot_notice": 2}
    assert status.report()["interruption"]["deadline"] == "2026-01-01T00:01:55+00:00"


def test_draining_ends_before_the_instance_is_taken():
    by = NOW + timedelta(seconds=30)
    spot, stop = Interruption(Kind.SPOT, "s", "r", by), Interruption(Kind.STOP, "s", "r", final=True)
    assert drain_deadline(spot, 100, NOW) == by
    assert drain_deadline(spot, 10, NOW) == NOW + timedelta(seconds=10)
    assert drain_deadline(stop, 100, NOW) == NOW + timedelta(seconds=100)
    assert drain_deadline(None, 100, NOW) == NOW + timedelta(seconds=100)


def test_nobody_waits_for_answers_of_an_engine_that_has_failed():
    assert drain_deadline(Interruption(Kind.ENGINE, "s", "r"), 100, NOW) == NOW


class FakeMetadata:
    """IMDSv2 at the edge: a token first, 404 for what is not there."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.token = "one"
        self.status = 200

    async def serve_token(self, request: web.Request) -> web.Response:
        if "X-aws-ec2-metadata-token-ttl-seconds" not in request.headers:
            return web.Response(status=400)
        return web.Response(text=self.token, status=self.status)

    async def serve_path(self, request: web.Request) -> web.Response:
        if request.headers.get("X-aws-ec2-metadata-token") != self.token:
            return web.Response(status=401)
        path = request.match_info["path"]
        return web.Response(text=self.paths[path]) if path in self.paths else web.Response(status=404)


@pytest.fixture
async def fake(aiohttp_server: Any) -> AsyncIterator[tuple[FakeMetadata, InstanceMetadata]]:
    played = FakeMetadata()
    app = web.Application()
    app.router.add_put("/latest/api/token", played.serve_token)
    app.router.add_get("/latest/{path:.*}", played.serve_path)
    server = await aiohttp_server(app)
    async with aiohttp.ClientSession() as http:
        yield played, InstanceMetadata(http, str(server.make_url("")).rstrip("/"))


async def test_the_identity_comes_from_document_and_tags(fake: tuple[FakeMetadata, InstanceMetadata]):
    played, metadata = fake
    played.paths = {
        "meta-data/instance-id": "i-1",
        f"meta-data/tags/instance/{TAG_GROUP}": "spot-group",
        "dynamic/instance-identity/document": json.dumps({"pendingTime": "2026-01-01T00:00:00Z"}),
    }
    assert await metadata.identity() == Identity("i-1", "spot-group", NOW)


async def test_nothing_announced_is_nothing_to_do(fake: tuple[FakeMetadata, InstanceMetadata]):
    _, metadata = fake
    assert await read_signals(metadata, Signals()) == Signals()


async def test_every_announcement_is_read_and_its_withdrawal_too(fake: tuple[FakeMetadata, InstanceMetadata]):
    played, metadata = fake
    played.paths = {
        "meta-data/spot/instance-action": json.dumps({"action": "stop", "time": "2026-01-01T00:02:00Z"}),
        "meta-data/autoscaling/target-lifecycle-state": "Terminated",
        "meta-data/events/recommendations/rebalance": json.dumps({"noticeTime": "2026-01-01T00:00:00Z"}),
    }
    seen = await read_signals(metadata, Signals(stop_requested=True))
    assert seen == Signals(("stop", NOW + timedelta(minutes=2)), "Terminated", True, NOW)
    played.paths = {}
    assert await read_signals(metadata, seen) == Signals(stop_requested=True)


async def test_a_token_that_has_run_out_is_renewed(fake: tuple[FakeMetadata, InstanceMetadata]):
    played, metadata = fake
    played.paths = {"meta-data/instance-id": "i-1"}
    assert await metadata.get("meta-data/instance-id") == "i-1"
    played.token = "two"
    assert await metadata.get("meta-data/instance-id") == "i-1"


async def test_metadata_that_fails_is_not_taken_for_silence(fake: tuple[FakeMetadata, InstanceMetadata]):
    played, metadata = fake
    played.status = 503
    with pytest.raises(MetadataError, match="503"):
        await metadata.spot_action()
