"""The state machine: which step follows from what is known."""

from dataclasses import replace

import pytest

from inference_service.artifacts import VersionRef
from inference_service.contract import STATE_DOWNLOADING, STATE_DRAINING, STATE_READY
from inference_service.node.state import Observation, Step, next_step, retry_after

OLD, NEW = VersionRef("old", "0" * 64), VersionRef("new", "1" * 64)
FRESH = Observation(STATE_DOWNLOADING, wanted=NEW)
SERVING = Observation(STATE_READY, wanted=OLD, fetched=OLD, loaded=OLD)
LEAVING = replace(SERVING, leaving=True)


@pytest.mark.parametrize(
    ("rule", "seen", "step"),
    [
        ("without a pointer it waits", replace(FRESH, wanted=None), Step.WAIT),
        ("a version is fetched first", FRESH, Step.FETCH),
        ("then loaded", replace(FRESH, fetched=NEW), Step.LOAD),
        ("one thing at a time", replace(FRESH, working=NEW), Step.WAIT),
        ("a fetch that nobody wants any more is given up", replace(FRESH, working=OLD), Step.CANCEL),
        ("a refused version is left alone", replace(FRESH, refused=NEW), Step.WAIT),
        ("until it is time to try again", replace(FRESH, refused=NEW, retry_due=True), Step.FETCH),
        ("another version is tried at once", replace(FRESH, refused=OLD), Step.FETCH),
        ("a ready node rests", SERVING, Step.WAIT),
        ("a new version is fetched while the old one serves", replace(SERVING, wanted=NEW), Step.FETCH),
        ("no drain for a version that did not verify", replace(SERVING, wanted=NEW, refused=NEW), Step.WAIT),
        ("only a verified version makes it drain", replace(SERVING, wanted=NEW, fetched=NEW), Step.DRAIN),
        ("an engine that died is replaced", replace(SERVING, engine_failed=True), Step.DRAIN),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_warming_up(rule: str, seen: Observation, step: Step):
    assert next_step(seen) is step


CHANGING = replace(SERVING, state=STATE_DRAINING, wanted=NEW, fetched=NEW)


@pytest.mark.parametrize(
    ("rule", "seen", "step"),
    [
        ("answers in flight are waited for", replace(CHANGING, drained=False), Step.WAIT),
        ("then the engine is freed", CHANGING, Step.UNLOAD),
        ("and the new version loaded", replace(CHANGING, loaded=None, state=STATE_DOWNLOADING), Step.LOAD),
        ("a pointer set back ends the drain", replace(CHANGING, wanted=OLD), Step.RESUME),
        (
            "a broken engine is freed after its drain",
            replace(CHANGING, wanted=OLD, fetched=OLD, engine_failed=True),
            Step.UNLOAD,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_changing_the_version(rule: str, seen: Observation, step: Step):
    assert next_step(seen) is step


@pytest.mark.parametrize(
    ("rule", "seen", "step"),
    [
        ("a node that has to leave takes no new work", LEAVING, Step.DRAIN),
        ("it finishes what it has", replace(LEAVING, state=STATE_DRAINING, final=True, drained=False), Step.WAIT),
        ("then it stops", replace(LEAVING, state=STATE_DRAINING, final=True), Step.STOP),
        ("a notice that may be withdrawn does not stop it", replace(LEAVING, state=STATE_DRAINING), Step.WAIT),
        ("withdrawn, it serves again", replace(SERVING, state=STATE_DRAINING), Step.RESUME),
        ("a fetch is given up", replace(FRESH, working=NEW, leaving=True), Step.CANCEL),
        ("an instance terminated at its start loads nothing", replace(FRESH, leaving=True, final=True), Step.DRAIN),
        ("and stops", replace(FRESH, state=STATE_DRAINING, leaving=True, final=True), Step.STOP),
        ("withdrawn before anything was loaded, it starts", replace(FRESH, state=STATE_DRAINING), Step.FETCH),
        ("or waits for a pointer again", replace(FRESH, state=STATE_DRAINING, wanted=None), Step.RESUME),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_leaving(rule: str, seen: Observation, step: Step):
    assert next_step(seen) is step


def test_a_refused_version_is_tried_ever_more_seldom():
    assert [retry_after(failures) for failures in (1, 2, 3, 20)] == [5, 10, 20, 300]
