"""The node's state machine: what to do next, from what is known. Pure; the worker does it."""

from dataclasses import dataclass
from enum import Enum

from inference_service import contract
from inference_service.artifacts import VersionRef

FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0


class Step(Enum):
    """One thing to do."""

    WAIT = "wait"
    FETCH = "fetch"  # download and verify; a node that serves another version goes on doing so
    LOAD = "load"  # load and probe what was fetched
    CANCEL = "cancel"  # give up the fetch under way
    DRAIN = "drain"  # take no new work
    UNLOAD = "unload"  # the last answer is out: free the engine
    RESUME = "resume"  # the reason to drain has gone
    STOP = "stop"


@dataclass(frozen=True)
class Observation:
    """Everything that a decision depends on."""

    state: str
    wanted: VersionRef | None  # by the pointer; None while there is none
    fetched: VersionRef | None = None  # complete and verified on disk
    loaded: VersionRef | None = None  # has answered its probe
    working: VersionRef | None = None  # being fetched or loaded at this moment
    refused: VersionRef | None = None  # was tried and did not become ready
    retry_due: bool = False  # the time to try `refused` again has come
    engine_failed: bool = False
    leaving: bool = False
    final: bool = False  # leaving, and nothing can take that back
    drained: bool = True  # nothing in flight, or the time for it is over


def next_step(seen: Observation) -> Step:
    """The one step to take now. Calling again after it is done gives the next one."""
    if seen.leaving:
        return _step_out(seen)
    if seen.working is not None:
        return Step.WAIT if seen.working == seen.wanted else Step.CANCEL
    if seen.loaded is not None and seen.loaded == seen.wanted and not seen.engine_failed:
        return Step.RESUME if seen.state == contract.STATE_DRAINING else Step.WAIT
    if seen.wanted is None or (seen.wanted == seen.refused and not seen.retry_due):
        return _step_back(seen)
    if seen.fetched != seen.wanted:
        return Step.FETCH
    return Step.LOAD if seen.loaded is None else _step_aside(seen)


def _step_out(seen: Observation) -> Step:
    if seen.working is not None:
        return Step.CANCEL
    if seen.state != contract.STATE_DRAINING:
        return Step.DRAIN
    return Step.STOP if seen.final and seen.drained else Step.WAIT


def _step_back(seen: Observation) -> Step:
    """Nothing better is to be had: keep the version that is loaded, or go on waiting for one."""
    return Step.RESUME if seen.state == contract.STATE_DRAINING and not seen.engine_failed else Step.WAIT


def _step_aside(seen: Observation) -> Step:
    """Make room for the fetched version, or for the same one in an engine that works."""
    if seen.state != contract.STATE_DRAINING:
        return Step.DRAIN
    return Step.UNLOAD if seen.drained else Step.WAIT


def retry_after(failures: int) -> float:
    """Seconds before a version that did not become ready is tried again: 5, doubling up to 300."""
    return float(min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (failures - 1)))
