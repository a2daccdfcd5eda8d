"""Keeps time going when one part of the cloud has a defect."""

from collections.abc import Callable

import structlog

from localcloud.aws import event_log
from localcloud.aws.cloud import current


def attempt(part: str, step: Callable[[], None]) -> None:
    """Run one part's step of time. An exception is logged once and shown at /_local/health until the step succeeds."""
    failures = current().tick_failures
    try:
        step()
        failures.pop(part, None)
    except Exception as error:
        if failures.get(part) != repr(error):
            failures[part] = repr(error)
            structlog.get_logger().exception("a part of the local AWS cannot go on; it is tried again", part=part)
            current().events.add(event_log.TICK_FAILED, part=part, error=repr(error))
