"""The instance refreshes of a group: at most one is active.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from localcloud.aws.autoscaling import refresh_preferences
from localcloud.aws.autoscaling.configuration import Configuration
from localcloud.aws.autoscaling.errors import (
    ActiveRefreshNotFoundError,
    IrreversibleRefreshError,
    RefreshInProgressError,
    ValidationError,
)
from localcloud.aws.autoscaling.refresh import CANCELLING, ROLLING_BACK, Refresh

KEPT = 100  # AWS tells those of the last six weeks
IN_PROGRESS = "An Instance Refresh is already in progress and blocks the execution of this request"


class Refreshes:
    """Newest first."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self.all: deque[Refresh] = deque(maxlen=KEPT)

    @property
    def active(self) -> Refresh | None:
        return self.all[0] if self.all and self.all[0].active else None

    @property
    def configuration(self) -> Configuration | None:
        """What the group launches from while a refresh runs; None: from its own."""
        return self.active.configuration if self.active else None

    @property
    def ahead(self) -> int:
        """How many replacements are to be launched before what they replace ends."""
        return self.active.ahead if self.active else 0

    @property
    def wave(self) -> str:
        """What marks an instance that is launched now."""
        return self.active.wave if self.active else ""

    def refuse_while_active(self) -> None:
        """Raises RefreshInProgressError."""
        if self.active:
            raise RefreshInProgressError(IN_PROGRESS)

    def start(self, strategy: str, preferences: Mapping[str, Any], desired: Mapping[str, Any]) -> Refresh:
        """Raises ValidationError or RefreshInProgressError as StartInstanceRefresh does."""
        self.refuse_while_active()
        refresh_preferences.check_strategy(strategy)
        wanted = refresh_preferences.read(preferences, warm_up_seconds=_warm_up_seconds(self._group))
        if len(desired) > 1:
            raise ValidationError("DesiredConfiguration takes LaunchTemplate or MixedInstancesPolicy, not both")
        if wanted.auto_rollback and (why := self._no_way_back(desired)):
            raise ValidationError(f"The request isn't valid. {why}")
        configuration = Configuration.desired(self._group, desired) if desired else None
        self.all.appendleft(Refresh(self._group, wanted, configuration, desired))
        return self.all[0]

    def cancel(self, *, settle: bool) -> Refresh:
        """Raises ActiveRefreshNotFoundError."""
        active = self._known_active()
        if active.status != CANCELLING or not settle:
            active.cancel(settle=settle)
        return active

    def roll_back(self) -> Refresh:
        """RollbackInstanceRefresh. Raises IrreversibleRefreshError where there is no way back.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RollbackInstanceRefresh.html
        """
        active = self._known_active()
        if active.status in (CANCELLING, ROLLING_BACK):
            raise IrreversibleRefreshError(f"The instance refresh is in status {active.status}")
        if not active.shown_configuration:
            raise IrreversibleRefreshError("There is no desired configuration specified for the instance refresh")
        if why := Configuration.of(self._group).irreversible():
            raise IrreversibleRefreshError(f"The instance refresh cannot be rolled back: {why}")
        active.begin_rollback("Manual rollback: RollbackInstanceRefresh")
        return active

    def tick(self) -> None:
        if active := self.active:
            active.tick()

    def _known_active(self) -> Refresh:
        if not (active := self.active):
            raise ActiveRefreshNotFoundError(
                f"No in progress or pending Instance Refresh found for Auto Scaling group {self._group.name}"
            )
        return active

    def _no_way_back(self, desired: Mapping[str, Any]) -> str:
        if not desired:
            return (
                "The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter is empty. "
                "Set AutoRollback to false or specify a desired configuration and try again."
            )
        why = Configuration.of(self._group).irreversible()
        return why and f"The AutoRollback parameter cannot be set to true: {why}."


def _warm_up_seconds(group: Any) -> float:
    """DefaultInstanceWarmup where it is set, else the health check's grace period (RefreshPreferences)."""
    default = getattr(group, "default_instance_warmup", None)
    return float(group.health_check_grace_period or 0 if default is None else default)
