"""One instance refresh: replaces a group's instances step by step, and back when that fails.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from localcloud.aws.autoscaling import causes, lifecycle, refresh_bounds
from localcloud.aws.autoscaling.configuration import Configuration, launching
from localcloud.aws.autoscaling.member import Member
from localcloud.aws.autoscaling.refresh_preferences import IGNORE, REFRESH, ROLLING, Preferences
from localcloud.aws.cloud import current

PENDING, IN_PROGRESS, SUCCESSFUL, FAILED = "Pending", "InProgress", "Successful", "Failed"
CANCELLING, CANCELLED = "Cancelling", "Cancelled"
ROLLING_BACK, ROLLED_BACK, ROLLBACK_FAILED = "RollbackInProgress", "RollbackSuccessful", "RollbackFailed"
ACTIVE = (PENDING, IN_PROGRESS, CANCELLING, ROLLING_BACK)
# "The rolling update process waits for a time period of up to 60 minutes": asg-instance-refresh.html, user guide.
PATIENCE_SECONDS = 3600.0
INSTANCE_REFRESH = "InstanceRefresh"  # the name of the process for SuspendProcesses


class Refresh:
    """Which instances are to be replaced, from what, and how far it has come. `desired` None: the group's own."""

    def __init__(self, group: Any, preferences: Preferences, desired: Configuration | None, shown: Mapping[str, Any]):
        self.id = self.wave = str(uuid.uuid4())
        self.group = group
        self.preferences = preferences
        self.configuration = desired
        self.shown_configuration = shown
        self.status, self.reason = PENDING, ""
        self.started = utcnow()
        self.ended: datetime | None = None
        self.ahead = 0
        self.rollback: dict[str, Any] = {}
        with launching(group, desired):
            self._begin_wave([each for each in group.counted() if self._to_replace(each)])
        if not self.outdated:
            self._finish(SUCCESSFUL)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def tick(self) -> None:
        """End what may end now, and say how many replacements the group shall launch before others end."""
        if self.group.suspends(INSTANCE_REFRESH):
            return
        if self.status == CANCELLING:
            self._cancel_when_settled()
        else:
            self.status = IN_PROGRESS if self.status == PENDING else self.status
            self._replace()
            self._judge()

    def begin_rollback(self, reason: str) -> None:
        """Replace what this refresh has launched, from the configuration last saved on the group."""
        self.rollback = {
            "RollbackReason": reason,
            "RollbackStartTime": utcnow(),
            "PercentageCompleteOnRollback": self.percentage(),
            "InstancesToUpdateOnRollback": len(self._left()),
        }
        deployed = [each for each in self.group.counted() if each.wave == self.wave]
        self.configuration, self.wave, self.status = None, f"{self.id}/rollback", ROLLING_BACK
        self._begin_wave(deployed)

    def cancel(self, *, settle: bool) -> None:
        """Stop replacing. With `settle` the instances that come and go are waited for."""
        self.status, self.ahead = CANCELLING, 0
        if not settle:
            self._finish(CANCELLED)

    def percentage(self) -> int:
        """Of the instances to replace, those replaced by ready ones; while rolling back it falls to zero."""
        if self.status == SUCCESSFUL:
            return 100
        done = refresh_bounds.percentage(self._total, self._unready())
        before = int(self.rollback.get("PercentageCompleteOnRollback", 100))
        return before * (100 - done) // 100 if self.rollback else done

    def document(self) -> dict[str, Any]:
        """As DescribeInstanceRefreshes tells it."""
        told = {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group.name,
            "Status": self.status,
            "StatusReason": self.reason or None,
            "StartTime": self.started,
            "EndTime": self.ended,
            "PercentageComplete": self.percentage(),
            "InstancesToUpdate": 0 if self.status == SUCCESSFUL else len(self._left()),
            "Preferences": dict(self.preferences.given),
            "DesiredConfiguration": dict(self.shown_configuration) or None,
            "RollbackDetails": self.rollback or None,
            "Strategy": ROLLING,
        }
        return {name: value for name, value in told.items() if value is not None}

    # --- What is to be replaced.

    def _replace(self) -> None:
        left, desired = self._left(), self.group.desired_capacity
        floor, most = refresh_bounds.bounds(desired, self.preferences.least_percent, self.preferences.most_percent)
        serving = [each for each in left if each.lifecycle_state == lifecycle.IN_SERVICE]
        coming = [each for each in left if each not in serving]  # they serve nobody: nothing is lost with them
        allowed = refresh_bounds.may_end(sum(map(self._ready, self.group.counted())), floor, len(serving))
        for member in [*coming, *serving[:allowed]]:
            if self._may_be_ended(member):
                self.group.begin_termination(member, causes.REFRESH)
        self.ahead = refresh_bounds.ahead(desired, most, len(self._left()))

    def _begin_wave(self, members: list[Member]) -> None:
        self.outdated = {each.instance_id for each in members}
        self._total = self._fewest_left = len(members)
        self._progress_at = current().clock.now()

    def _to_replace(self, member: Member) -> bool:
        if self.preferences.skip_matching and _matches(self.group, member):
            return False
        return not (member.protected_from_scale_in and self.preferences.protected == IGNORE)

    def _may_be_ended(self, member: Member) -> bool:
        return not member.protected_from_scale_in or self.preferences.protected == REFRESH

    def _left(self) -> list[Member]:
        """The outdated instances that are still there, oldest first."""
        found = [each for each in self.group.counted() if each.instance_id in self.outdated]
        return sorted(found, key=lambda each: str(each.instance.launch_time))

    def _ready(self, member: Member) -> bool:
        """In service; what this refresh has launched also has to be warm."""
        if member.lifecycle_state != lifecycle.IN_SERVICE:
            return False
        warm_at = member.in_service_at + self.preferences.warm_up_seconds
        return member.wave != self.wave or current().clock.now() >= warm_at

    def _unready(self) -> int:
        """How many of the instances to replace have no ready replacement yet."""
        replaced = [each for each in self.group.counted() if each.instance_id not in self.outdated]
        waiting: int = self.group.desired_capacity - sum(map(self._ready, replaced))
        return min(self._total, max(len(self._left()), waiting))

    # --- How it ends.

    def _judge(self) -> None:
        left, now = self._unready(), current().clock.now()
        if left == 0:
            self._finish(ROLLED_BACK if self.rollback else SUCCESSFUL)
        elif left < self._fewest_left:
            self._fewest_left, self._progress_at = left, now
        elif now - self._progress_at >= PATIENCE_SECONDS:
            self._give_up(f"No replacement became healthy within {PATIENCE_SECONDS:g} seconds; {left} are not replaced")

    def _give_up(self, reason: str) -> None:
        if self.rollback:
            self._finish(ROLLBACK_FAILED, reason)
        elif self.preferences.auto_rollback:
            self.reason = reason
            self.begin_rollback(f"Auto rollback: {reason}")
        else:
            self._finish(FAILED, reason)

    def _cancel_when_settled(self) -> None:
        moving = (*lifecycle.COMING, *lifecycle.GOING)
        if not any(each.lifecycle_state in moving for each in self.group.instance_states):
            self._finish(CANCELLED)

    def _finish(self, status: str, reason: str = "") -> None:
        """What was desired becomes the group's own only when all of it has succeeded (StartInstanceRefresh)."""
        self.status, self.reason = status, reason or self.reason
        self.ended, self.ahead = utcnow(), 0
        if status == SUCCESSFUL and self.configuration:
            self.configuration.put_on(self.group)


def _matches(group: Any, member: Member) -> bool:
    """Whether an instance is what the group would launch now: template, version and one of its types.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh-skip-matching.html
    """
    return not group.outdated(member) and member.instance.instance_type in group.types()
