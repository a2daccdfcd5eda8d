"""A group: how many instances it wants, and what each step of time does to the ones it has.

Sources: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-capacity-rebalancing.html
"""

import math
from collections import deque
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup

from localcloud.aws import event_log
from localcloud.aws.autoscaling import causes, hooks, lifecycle
from localcloud.aws.autoscaling.activity import CANCELLED, Activity
from localcloud.aws.autoscaling.capacity import DISTRIBUTION_DEFAULTS, desired_after_update, first_to_go, override_types
from localcloud.aws.autoscaling.configuration import launching
from localcloud.aws.autoscaling.errors import ValidationError
from localcloud.aws.autoscaling.launch import launch
from localcloud.aws.autoscaling.member import Member
from localcloud.aws.autoscaling.refreshes import Refreshes
from localcloud.aws.cloud import current

# mypy: disallow-subclassing-any=False

ACTIVITIES_KEPT = 1000
LAUNCH_PAUSE_SECONDS = 30.0  # after a launch in vain; AWS backs off, it does not say how long
REBALANCE_MARGIN = 0.1  # of the maximum size, for replacements ordered ahead


class LocalGroup(FakeAutoScalingGroup):
    """moto's group, which launches and ends instances step by step instead of at once."""

    instance_states: list[Member]
    mixed_instances_policy: dict[str, Any] | None

    def __init__(self, **settings: Any) -> None:
        self.activities: deque[Activity] = deque(maxlen=ACTIVITIES_KEPT)
        self.refreshes = Refreshes(self)
        self.next_launch_at = 0.0
        self.provided_launch_template_version: str | None = None
        super().__init__(**settings)
        self._fill_distribution()

    # --- What moto's actions call.

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Only take note: the next step of time acts."""
        self.desired_capacity = (self.min_size or 0) if new_capacity is None else new_capacity
        self.next_launch_at = 0.0

    def update(self, **changes: Any) -> None:
        """UpdateAutoScalingGroup; moto forgets the mixed instances policy when it is not given again."""
        kept = self.mixed_instances_policy
        least, most = (
            present if asked is None else asked
            for present, asked in ((self.min_size, changes["min_size"]), (self.max_size, changes["max_size"]))
        )
        asked = changes["desired_capacity"]
        changes["desired_capacity"] = desired_after_update(self.desired_capacity, least or 0, most or 0, asked)
        super().update(**changes)
        if not any(changes[each] for each in ("mixed_instances_policy", "launch_template", "launch_config_name")):
            self.mixed_instances_policy = kept
        self._fill_distribution()

    @property
    def launch_template(self) -> dict[str, Any] | None:
        return None if self.mixed_instances_policy else FakeAutoScalingGroup.launch_template.fget(self)

    # --- What it has and wants.

    def counted(self) -> list[Member]:
        return [each for each in self.instance_states if each.counted]

    def target(self) -> int:
        """Desired capacity, and one more for each instance whose replacement was ordered ahead of its end."""
        ordered = sum(
            each.instance_id in current().spot and current().spot[each.instance_id].present_before is not None
            for each in self.counted()
        )
        most = (self.max_size or 0) + max(1, math.floor(REBALANCE_MARGIN * (self.max_size or 0)))
        return min(self.desired_capacity + ordered, max(most, self.desired_capacity)) + self.refreshes.ahead

    def set_source(self, launch_template: Any = None, mixed_instances_policy: Any = None) -> None:
        """Have it launch from a template, alone or in a mixed instances policy."""
        self.mixed_instances_policy = mixed_instances_policy
        self._set_launch_configuration(None, launch_template, mixed_instances_policy)
        self._fill_distribution()

    def template_version(self) -> Any:
        """The launch template's version that the group names; None with a launch configuration."""
        template = self.ec2_launch_template
        return template.get_version(self.launch_template_version) if template else None

    def check_template(self) -> None:
        """Raises ValidationError for a launch template that no instance can be launched from.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-launch-template.html
        """
        version = self.template_version()
        needed = () if version is None else (("ImageId", version.image_id), ("InstanceType", self.types()[0]))
        if missing := [name for name, value in needed if not value]:
            raise ValidationError(
                "You must use a valid fully-formed launch template. The request must contain the parameter "
                + " and ".join(missing)
            )

    def types(self) -> list[str]:
        """Instance types to try, in order."""
        return override_types(self.mixed_instances_policy, self.instance_type)

    def places(self) -> list[tuple[str | None, str]]:
        """Subnet and zone of each place to launch into."""
        if not self.vpc_zone_identifier:
            return [(None, zone) for zone in self.availability_zones]
        subnets = [self.ec2_backend.get_subnet(each.strip()) for each in self.vpc_zone_identifier.split(",")]
        return [(each.id, each.availability_zone) for each in subnets]

    def outdated(self, member: Member) -> bool:
        return member.template_version is not self.template_version()

    def suspends(self, process: str) -> bool:
        return process in self._suspended_processes

    def begin(self, description: str, cause: str) -> Activity:
        """A new activity, at the head of the list."""
        self.activities.appendleft(Activity(self.name, description, cause))
        return self.activities[0]

    # --- Steps of time.

    def tick(self) -> None:
        """Move each instance on as far as it goes now, then launch or end what differs from the target."""
        for member in list(self.instance_states):
            self.step(member)
        self.refreshes.tick()
        with launching(self, self.refreshes.configuration):
            self.reconcile()

    def step(self, member: Member) -> None:
        """Let time act on one instance: hooks that run out, and transitions that nothing holds back."""
        now = current().clock.now()
        for wait in list(member.waits.values()):
            if now >= wait.ends_at and wait.name in member.waits:
                self.complete(member, wait.name, wait.default_result, timed_out=True)
        if member.counted and self._failed_health_check(member):
            member.health_status = "Unhealthy"
            self.begin_termination(member, causes.HEALTH_CHECK)
        elif member.lifecycle_state == lifecycle.PENDING and member.instance.state == "running":
            self._hold(member, hooks.LAUNCHING, lifecycle.PENDING_WAIT)
        if member.lifecycle_state in (lifecycle.PENDING, lifecycle.PENDING_WAIT) and not member.waits:
            if member.instance.state == "running":
                self._enter_service(member)
        elif member.lifecycle_state == lifecycle.TERMINATING_WAIT and not member.waits:
            member.move(lifecycle.TERMINATING_PROCEED)
            self.finish_termination(member)

    def reconcile(self) -> None:
        """Launch what is missing; end what is too much."""
        now = current().clock.now()
        while len(self.counted()) < self.target() and now >= self.next_launch_at and not self.suspends("Launch"):
            if not launch(self):
                self.next_launch_at = now + LAUNCH_PAUSE_SECONDS
        while len(self.counted()) > self.target() and not self.suspends("Terminate"):
            unprotected = [each for each in self.counted() if not each.protected_from_scale_in]
            if not unprotected:
                return
            policy = self.mixed_instances_policy
            self.begin_termination(first_to_go(unprotected, policy, self.target(), self.outdated), causes.SCALE_IN)

    def complete(self, member: Member, hook: str, result: str, *, timed_out: bool = False) -> None:
        """End one hook's wait. ABANDON ends a launching instance, and spares a terminating one all other hooks."""
        del member.waits[hook]
        current().events.add(
            event_log.HOOK_COMPLETED, instance_id=member.instance_id, hook=hook, result=result, timed_out=timed_out
        )
        if result == hooks.ABANDON:
            member.waits = {}
            if member.lifecycle_state == lifecycle.PENDING_WAIT:
                member.activity.finish(CANCELLED, causes.abandoned(hook, timed_out))
                self.begin_termination(member, causes.ABANDONED)

    def begin_termination(self, member: Member, cause: str) -> Activity:
        """Take an instance out of service; it ends when no hook holds it."""
        if not member.counted:
            return member.activity
        if member.lifecycle_state in lifecycle.COMING and member.activity.end_time is None:
            member.activity.finish(CANCELLED)
        member.activity = self.begin(f"Terminating EC2 instance: {member.instance_id}", cause)
        member.waits = {}
        member.move(lifecycle.TERMINATING)
        self.autoscaling_backend.update_attached_target_groups(self.name)
        self._hold(member, hooks.TERMINATING, lifecycle.TERMINATING_WAIT)
        if not member.waits:
            self.finish_termination(member)
        return member.activity

    def finish_termination(self, member: Member) -> None:
        """End the instance, whatever holds it."""
        member.waits = {}
        if member.instance.state != "terminated":
            self.ec2_backend.terminate_instances([member.instance_id])
        member.activity.finish()
        member.move(lifecycle.TERMINATED)
        self.autoscaling_backend.update_attached_target_groups(self.name)
        self.instance_states = [each for each in self.instance_states if each is not member]

    def _hold(self, member: Member, transition: str, state: str) -> None:
        now = current().clock.now()
        found = self.autoscaling_backend.describe_lifecycle_hooks(self.name)
        waits = [hooks.HookWait(each, now) for each in found if each.lifecycle_transition == transition]
        member.waits = {each.name: each for each in waits}
        if waits:
            member.activity.hold()
            member.move(state)

    def _enter_service(self, member: Member) -> None:
        if member.lifecycle_state == lifecycle.PENDING_WAIT:
            member.move(lifecycle.PENDING_PROCEED)
        member.activity.finish()
        member.in_service_at = current().clock.now()
        member.move(lifecycle.IN_SERVICE)
        self.autoscaling_backend.update_attached_target_groups(self.name)

    def _failed_health_check(self, member: Member) -> bool:
        """EC2's checks only; load balancers' are not simulated. Terminate hooks run also for what has ended already.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
        """
        if self.suspends("HealthCheck") or self.suspends("ReplaceUnhealthy"):
            return False
        return member.health_status == "Unhealthy" or member.instance.state not in ("pending", "running")

    def _fill_distribution(self) -> None:
        if self.mixed_instances_policy:
            given = self.mixed_instances_policy.get("InstancesDistribution") or {}
            self.mixed_instances_policy["InstancesDistribution"] = {**DISTRIBUTION_DEFAULTS, **given}
