"""Lifecycle hooks: what they may say, and how long an instance waits for them.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
"""

import uuid
from collections.abc import Mapping
from typing import Any

from localcloud.aws.autoscaling.errors import ValidationError

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
CONTINUE, ABANDON = "CONTINUE", "ABANDON"
SHORTEST_SECONDS, LONGEST_SECONDS, DEFAULT_SECONDS = 30, 7200, 3600
LONGEST_TOTAL_SECONDS, MOST_HEARTBEATS = 48 * 3600, 100


def check_hook(hook: Mapping[str, Any]) -> None:
    """Raises ValidationError for a hook that AWS refuses, with all its faults."""
    faults = []
    seconds = int(hook.get("HeartbeatTimeout") or DEFAULT_SECONDS)
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        faults.append(f"HeartbeatTimeout {seconds} must be between {SHORTEST_SECONDS} and {LONGEST_SECONDS} seconds")
    if (result := hook.get("DefaultResult") or ABANDON) not in (CONTINUE, ABANDON):
        faults.append(f"DefaultResult {result} must be {CONTINUE} or {ABANDON}")
    if (transition := hook.get("LifecycleTransition")) not in (LAUNCHING, TERMINATING):
        faults.append(f"LifecycleTransition {transition} must be {LAUNCHING} or {TERMINATING}")
    if faults:
        raise ValidationError(f"Lifecycle hook {hook.get('LifecycleHookName')}: {'; '.join(faults)}")


def check_result(result: str) -> None:
    """Raises ValidationError for a LifecycleActionResult that AWS refuses."""
    if result not in (CONTINUE, ABANDON):
        raise ValidationError(f"Lifecycle Action Result must be {CONTINUE} or {ABANDON}, not {result}")


class HookWait:
    """One instance held by one hook. Times are cloud seconds."""

    def __init__(self, hook: Any, now: float) -> None:
        self.name: str = hook.name
        self.default_result: str = hook.default_result
        self.token = str(uuid.uuid4())
        self._seconds = float(hook.heartbeat_timeout)
        self._limit = now + min(LONGEST_TOTAL_SECONDS, MOST_HEARTBEATS * self._seconds)
        self.ends_at = now + self._seconds

    def heartbeat(self, now: float) -> None:
        """Wait the whole timeout again, within 48 hours or 100 timeouts."""
        self.ends_at = min(self._limit, now + self._seconds)
