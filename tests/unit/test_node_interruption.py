"""What signals ask of a node, and what it reads from instance metadata."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from inference_service.contract import TAG_GROUP
from inference_service.node.interruption import Leaving, Signals, drain_deadline, leaving, read_signals
from inference_service.node.metadata import Identity, InstanceMetadata, MetadataError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPOT = ("terminate", NOW + timedelta(seconds=120))


def test_a_rebalance_recommendation_alone_is_no_reason_to_leave():
    assert leaving(Signals(rebalance_recommended=True), NOW) is None


@pytest.mark.parametrize("state", ["InService", "Warmed:Stopped", None])
def test_only_a_termination_makes_an_auto_scaling_instance_leave(state: str | None):
    assert leaving(Signals(target_state=state), NOW) is None


def test_a_termination_or_a_stop_signal_is_final():
    for signals in (Signals(target_state="Terminated"), Signals(stop_requested=True)):
        why = leaving(signals, NOW)
        assert why is not None
        assert why.final


def test_a_spot_notice_is_final_only_when_its_time_has_come():
    early, late = leaving(Signals(SPOT), NOW), leaving(Signals(SPOT), NOW + timedelta(seconds=116))
    assert early is not None
    assert late is not None
    assert (early.final, late.final) == (False, True)


def test_draining_ends_before_the_instance_is_taken():
    why = Leaving("spot", final=False, by=NOW + timedelta(seconds=30))
    assert drain_deadline(why, 100, NOW) == NOW + timedelta(seconds=30)
    assert drain_deadline(why, 10, NOW) == NOW + timedelta(seconds=10)
    assert drain_deadline(Leaving("x", final=True), 100, NOW) == NOW + timedelta(seconds=100)


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
        "meta-data/events/recommendations/rebalance": "{}",
    }
    seen = await read_signals(metadata, Signals(stop_requested=True))
    assert seen == Signals(("stop", NOW + timedelta(minutes=2)), "Terminated", True, True)
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
