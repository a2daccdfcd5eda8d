"""The next step of a rollout, from the pointer, the nodes and what was seen. Pure; drive.py takes it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inference_service.artifacts import Pointer
from scripts.rollout.health import failure, worse
from scripts.rollout.history import History
from scripts.rollout.member import Member, names

LOOK_SECONDS = 3.0  # traffic is watched so long before the first node is taken out
LEAST_WATCH_SECONDS = 3.0  # and each wave, after its last node has become ready,
MOST_WATCH_SECONDS = 60.0  # for one warm-up; less once every node of it has given
ENOUGH_ANSWERS = 20
SHARES = (0.25, 0.5, 1.0)  # of the nodes, after the canary
BLOCKED_SECONDS = 600.0  # traffic may leave no node to spare so long
SILENT_SECONDS = 60.0


@dataclass(frozen=True)
class Wait:
    """Look again in a moment."""

    reason: str


@dataclass(frozen=True)
class Raise:
    """Let the wave reach `nodes` as well."""

    percent: int
    nodes: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class Promote:
    """Every node serves the candidate: make it the current version."""


@dataclass(frozen=True)
class GiveUp:
    """Keep the current version. The reason names node, cause and remedy."""

    reason: str


Step = Wait | Raise | Promote | GiveUp


def next_step(pointer: Pointer, nodes: Sequence[Member], history: History, now: float) -> Step:
    """The one step to take now. `nodes` are in the order of their places; `history` has seen them."""
    if not nodes:
        silent = f"no node was reported for {SILENT_SECONDS:.0f} s; `warmfleet status` says what is missing"
        return GiveUp(silent) if now - history.seen_at > SILENT_SECONDS else Wait("the gateway reports no node")
    wave, rest = split(pointer, nodes)
    if reason := failure(pointer, wave, history, now) or worse(pointer, wave, history):
        return GiveUp(reason)
    if unfinished := [node for node in wave if node.instance_id in history.pending]:
        return Wait("; ".join(node.words() for node in unfinished))
    if now - history.began_at < LOOK_SECONDS:
        return Wait("watching the traffic")
    if history.settled_at is not None and _to_watch(wave, history, now - history.settled_at):
        return Wait(f"watching the answers of {names(wave)}")
    serving = [node for node in wave if node.state]
    if serving and not [node for node in rest if node.state]:
        return Promote()
    return _raise(pointer, nodes, history, now)


def split(pointer: Pointer, nodes: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """The nodes under the wave, and the others."""
    under = [pointer.version_for(node.instance_id) == pointer.candidate for node in nodes]
    wave = [node for node, is_under in zip(nodes, under, strict=True) if is_under]
    return wave, [node for node, is_under in zip(nodes, under, strict=True) if not is_under]


def _to_watch(wave: list[Member], history: History, seconds: float) -> bool:
    """Whether the wave has to be watched further, `seconds` after it has become ready."""
    most = min(MOST_WATCH_SECONDS, history.warm_up_seconds or MOST_WATCH_SECONDS)
    enough = all(node.answered >= ENOUGH_ANSWERS for node in wave if node.state)
    return seconds < LEAST_WATCH_SECONDS or (seconds < most and not enough)


def _raise(pointer: Pointer, nodes: Sequence[Member], history: History, now: float) -> Step:
    """As far as the next share, or less where traffic needs the nodes."""
    present = [node for node in nodes if node.state]
    done, _ = split(pointer, present)
    for reach in range(_goal(len(done), len(present)), len(done), -1):
        percent = 100 if done and reach == len(present) else present[reach - 1].place + 1
        batch = [node for node in present if node not in done and node.place < percent]
        stay = [node for node in present if node not in batch and node.ready]
        if len(present) == 1 or (stay and sum(node.slots for node in stay) >= history.traffic):
            title = "canary" if not done else f"wave {percent} %"
            return Raise(percent, tuple(node.instance_id for node in batch), title)
    return _blocked(present, done, history, now)


def _goal(done: int, present: int) -> int:
    """How many nodes the wave shall reach next: one, then a growing share."""
    return next((goal for share in SHARES if (goal := math.ceil(share * present)) > done), present) if done else 1


def _blocked(present: list[Member], done: list[Member], history: History, now: float) -> Step:
    """No node can be spared now."""
    if not done and present[0].place == present[-1].place:
        same = f"{names(present)} have the same place in every wave, {present[0].place} of 100: no wave takes only one"
        return GiveUp(f"{same}; add a node, then activate again")
    ready = [node for node in present if node.ready]
    reason = (
        f"{history.traffic} answers were in flight at once and {len(ready)} of {len(present)} nodes are ready, with "
        f"{sum(node.slots for node in ready)} slots: none can be spared"
    )
    free_at = history.began_at if history.settled_at is None else history.settled_at
    if now - free_at > BLOCKED_SECONDS:
        return GiveUp(f"{reason} for {BLOCKED_SECONDS:.0f} s; add a node, then activate again")
    return Wait(reason)
