"""An instance as its group sees it."""

from typing import Any

from moto.autoscaling.models import InstanceState

from localcloud.aws import event_log
from localcloud.aws.autoscaling.activity import Activity
from localcloud.aws.autoscaling.capacity import ON_DEMAND, SPOT
from localcloud.aws.autoscaling.hooks import HookWait
from localcloud.aws.autoscaling.lifecycle import COUNTED, PENDING
from localcloud.aws.cloud import current

# mypy: disallow-subclassing-any=False


class Member(InstanceState):
    """One instance of a group: its lifecycle state, the hooks that hold it, and the activity under way.

    `template_version` is the launch template's version that it was launched from; None with a launch configuration.
    `wave` names the part of an instance refresh during which it was launched; empty when none was active.
    """

    lifecycle_state: str

    def __init__(self, instance: Any, group: Any, template_version: Any, activity: Activity) -> None:
        super().__init__(instance, PENDING, "Healthy", group.new_instances_protected_from_scale_in, group)
        self.template_version = template_version
        self.image_id = instance.image_id
        self.market = SPOT if instance.lifecycle == "spot" else ON_DEMAND
        self.activity = activity
        self.waits: dict[str, HookWait] = {}
        self.wave: str = group.refreshes.wave
        self.in_service_at = 0.0

    @property
    def counted(self) -> bool:
        """Whether it is part of the group's capacity."""
        return self.lifecycle_state in COUNTED

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """The version that it really came from: moto shows the template's default."""
        if self.template_version is None:
            return None
        template = self.template_version.template
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": str(self.template_version.number),
        }

    def move(self, lifecycle_state: str) -> None:
        """Change the lifecycle state and say so."""
        if lifecycle_state == self.lifecycle_state:
            return
        self.lifecycle_state = lifecycle_state
        current().events.add(
            event_log.LIFECYCLE_CHANGED,
            instance_id=self.instance_id,
            group=self.auto_scaling_group_name,
            state=lifecycle_state,
        )
