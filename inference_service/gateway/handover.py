"""Moves streams away from nodes that have to leave before these can be complete, while the nodes are still there.

A node that leaves finishes what it can and gives up the rest at its deadline, all at once. What cannot be complete by
then gains nothing from waiting: it moves as soon as another node of its version has room. Where none has, it stays.
Likewise streams of nodes that answer no readiness polls any more and send nothing: where another one is warm.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from inference_service import contract
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.node_view import NodeView
from inference_service.gateway.stalls import OpenStream, OpenStreams

LOOK_SECONDS = 0.5
QUIET_SECONDS = 3.0  # a node that misses polls, but still sends, is busy and not gone


class LeavingNodeError(Exception):
    """The node that gives the stream leaves before it can be complete."""


class GivenUpError(Exception):
    """The node answers neither polls nor the stream."""


def deadlines(nodes: Iterable[NodeView], now: float) -> dict[str, float]:
    """Seconds that each node which leaves still gives its answers, by instance id."""
    found = {}
    for view in nodes:
        left = view.report.get("drain_seconds_left") if view.report else None
        if view.state == contract.STATE_DRAINING and isinstance(left, int | float):
            found[view.found.instance_id] = left - (now - (view.seen_at or now))
    return found


def late(streams: Iterable[OpenStream], left: Mapping[str, float], now: float) -> list[OpenStream]:
    """The streams that their node cannot complete in time, the latest first. Pure."""
    found = []
    for stream in streams:
        carried = stream.carried
        if carried is None or stream.content is None or carried.node not in left:
            continue
        needs = carried.seconds_left(now)
        if needs is not None and needs > left[carried.node]:
            found.append((needs, stream))
    return [stream for _, stream in sorted(found, key=lambda each: each[0], reverse=True)]


def move(streams: OpenStreams, fleet: Fleet, now: float) -> int:
    """End the late streams' connections, as many as other nodes have slots free: their handlers find those nodes."""
    left = deadlines(fleet.nodes.values(), now)
    rooms: Counter[tuple[str, str]] = Counter()
    moved = 0
    for stream in late(streams, left, now) if left else ():
        assert stream.carried is not None  # it is late
        assert stream.content is not None
        kind = (stream.carried.model, stream.carried.memory.version)
        if rooms[kind] >= fleet.free_slots(*kind):
            continue
        rooms[kind] += 1
        stream.leaves = True
        stream.content.set_exception(LeavingNodeError(f"{stream.carried.node} leaves before it can be complete"))
        stream.carried = None
        moved += 1
    return moved


def leave_given_up(streams: OpenStreams, fleet: Fleet, now: float) -> int:
    """End the connections of streams whose node is gone without a word: their handlers find another one."""
    moved = 0
    for stream in streams:
        carried, content = stream.carried, stream.content
        quiet = stream.quiet_seconds(now) >= QUIET_SECONDS
        if carried is None or content is None or not quiet:
            continue
        if fleet.hopeless(carried.node, carried.model, carried.memory.version):
            content.set_exception(GivenUpError(f"{carried.node} answers neither polls nor the stream"))
            stream.carried = None
            moved += 1
    return moved


async def watch(streams: OpenStreams, fleet: Fleet) -> None:
    """Look again and again, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        move(streams, fleet, loop.time())
        leave_given_up(streams, fleet, loop.time())
