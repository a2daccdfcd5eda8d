"""The end of the time for answers: what still runs is handed over, what cannot be is cut off."""

import asyncio
from contextlib import suppress

import structlog

from inference_service.node.admission import Admission

HAND_OVER_SECONDS = 2.0  # within the margin that is kept back before EC2 takes an instance


async def give_up_answers(admission: Admission, changed: asyncio.Event) -> None:
    """Each client's gateway has another node go on with its answer. `changed` is set whenever one has left."""
    if count := admission.hand_over_all():
        structlog.get_logger().warning("the time to drain is over: answers are handed over", answers=count)
    with suppress(TimeoutError):
        async with asyncio.timeout(HAND_OVER_SECONDS):
            while admission.in_flight:
                changed.clear()
                await changed.wait()
    if admission.cancel_all():
        structlog.get_logger().error("answers that could not be handed over are cut off")
        await asyncio.sleep(0)
