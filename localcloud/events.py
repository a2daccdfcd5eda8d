"""Has the supervisor and the load balancers look again whenever something changed in the local AWS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from localcloud.admin import Admin, Event
from localcloud.cloud_state import Problem
from localcloud.errors import AdminError
from localcloud.problems import Problems

LONGEST_WAIT_SECONDS = 25.0
RETRY_SECONDS = 1.0
RESOURCE = "the local AWS"

Refresh = Callable[[], Awaitable[None]]


def touched(events: Iterable[Event]) -> tuple[bool, bool]:
    """Whether instances and whether load balancers changed. Events only say that: the truth is read afterwards."""
    kinds = {event.kind for event in events}
    return any(kind.startswith("instance-") for kind in kinds), "balancers-changed" in kinds


async def follow(admin: Admin, instances: Refresh, balancers: Refresh, problems: Problems) -> None:
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
            problems.clear(RESOURCE)
        except AdminError as error:
            text = f"instances and load balancers may not follow it: {error}"
            remedy = "read .warmfleet/logs/aws.log; `warmfleet down` and `warmfleet up` begin afresh"
            problems.set(Problem(RESOURCE, text, remedy))
            both = True
            await asyncio.sleep(RETRY_SECONDS)
