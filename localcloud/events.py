"""Has the supervisor and the load balancers look again whenever something changed in the local AWS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from localcloud.admin import Admin, Event
from localcloud.errors import AdminError

LONGEST_WAIT_SECONDS = 25.0
RETRY_SECONDS = 1.0

Refresh = Callable[[], Awaitable[None]]


def touched(events: Iterable[Event]) -> tuple[bool, bool]:
    """Whether instances and whether load balancers changed. Events only say that: the truth is read afterwards."""
    kinds = {event.kind for event in events}
    return any(kind.startswith("instance-") for kind in kinds), "balancers-changed" in kinds


async def follow(admin: Admin, instances: Refresh, balancers: Refresh) -> None:
    """Run until cancelled. A silent AWS process is asked again: whether it is dead is the daemon's business."""
    after, both = 0, True
    while True:
        try:
            events = [] if both else await admin.events(after, LONGEST_WAIT_SECONDS)
            changed_instances, changed_balancers = touched(events)
            if changed_instances or not events:  # also when nothing happened for long: no event can be lost for ever
                await instances()
            if changed_balancers or not events:
                await balancers()
            both = False
            after = max([after, *(event.number for event in events)])
        except AdminError as error:
            structlog.get_logger().warning("the local AWS does not answer", error=str(error))
            both = True
            await asyncio.sleep(RETRY_SECONDS)
