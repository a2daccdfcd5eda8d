"""Slots: several answers of one request take no more of them than are free, and none that somebody waits for."""

import asyncio
from contextlib import aclosing

import pytest

from inference_service.artifacts import VersionRef
from inference_service.node.admission import Admission, NodeBusyError
from inference_service.node.answer import choices
from inference_service.node.engines.protocol import Generation
from inference_service.node.engines.stub import StubEngine
from inference_service.node.job_worker import room
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings

ASKED = Generation(messages=({"role": "user", "content": "one two"},), max_tokens=2)


async def test_spare_slots_are_those_that_nobody_uses_and_come_back():
    admission = Admission(slots=4, queue=1)
    async with admission.slot(), admission.spare(7) as taken:
        assert taken == 3
        async with admission.spare(1) as more:
            assert more == 0
    async with admission.spare(1) as taken:
        assert taken == 1


async def test_a_slot_that_somebody_waits_for_is_not_spare():
    admission = Admission(slots=1, queue=2)

    async def wait() -> None:
        async with admission.slot():
            pass

    async with admission.slot():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
    async with admission.spare(1) as taken:  # the slot is given back, and its next holder has not run yet
        assert taken == 0
    await waiting


async def test_answers_that_hold_spare_slots_count_where_a_node_is_full():
    admission = Admission(slots=2, queue=1)
    async with admission.slot(), admission.spare(1):
        waiting = asyncio.create_task(_hold(admission))
        await asyncio.sleep(0)
        with pytest.raises(NodeBusyError, match="3 answers are here already: 2 slots and a queue of 1"):
            await _hold(admission)
    await waiting


async def test_jobs_leave_alone_the_slots_that_several_answers_of_one_request_hold():
    status = NodeStatus("m", "stub", Admission(slots=4, queue=1))
    status.serve(VersionRef("v1", "0" * 64))
    assert room(status, 0) == 3  # one is kept for whoever comes
    async with status.admission.slot(), status.admission.spare(2):
        assert room(status, 0) == 0


async def _hold(admission: Admission) -> None:
    async with admission.slot():
        pass


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_no_more_answers_are_decoded_at_once_than_have_a_slot(at_once: int):
    engine = StubEngine(StubSettings())
    seen = []
    async with aclosing(choices(engine, ASKED, 5, at_once)) as pieces:
        async for number, _ in pieces:
            seen.append((number, engine.running))
    assert {number for number, _ in seen} == set(range(5))
    assert max(running for _, running in seen) == at_once
