"""The groups of one region, their hooks and their targets."""

from typing import Any

from moto.autoscaling.models import AutoScalingBackend

from localcloud.aws.autoscaling import causes, hooks
from localcloud.aws.autoscaling.activity import Activity
from localcloud.aws.autoscaling.capacity import check_bounds, check_decrement, check_desired
from localcloud.aws.autoscaling.errors import (
    AlreadyExistsError,
    NotSimulatedError,
    ResourceInUseError,
    ValidationError,
)
from localcloud.aws.autoscaling.group import LocalGroup
from localcloud.aws.autoscaling.member import Member
from localcloud.aws.autoscaling.notices import act_on_notices
from localcloud.aws.autoscaling.warm_pool import check_policy
from localcloud.aws.cloud import current
from localcloud.aws.defects import attempt

# mypy: disallow-subclassing-any=False

SOURCES = ("launch_config_name", "launch_template", "instance_id", "mixed_instances_policy")


class LocalAutoScalingBackend(AutoScalingBackend):
    """Auto Scaling of one region."""

    autoscaling_groups: dict[str, LocalGroup]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.autoscaling_groups = _Groups()

    # --- Groups.

    def create_auto_scaling_group(self, **given: Any) -> LocalGroup:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html"""
        name = given["name"]
        if name in self.autoscaling_groups:
            raise AlreadyExistsError(
                f"AutoScalingGroup by this name already exists - A group with the name {name} exists"
            )
        if sum(bool(given.get(each)) for each in SOURCES) != 1:
            raise ValidationError(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
                "MixedInstancesPolicy parameter."
            )
        if given.pop("instance_id", None):
            raise NotSimulatedError("A group made from an instance (InstanceId)")
        check_bounds(given["min_size"], given["max_size"], given["desired_capacity"])
        given["health_check_period"] = given["health_check_period"] or 0
        group = LocalGroup(autoscaling_backend=self, ec2_backend=self.ec2_backend, **given)
        group.check_template()
        self.autoscaling_groups[name] = group
        return group

    def update_auto_scaling_group(self, **given: Any) -> LocalGroup:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html"""
        group = self.group(given["name"])
        least, most = (
            present if asked is None else asked
            for present, asked in ((group.min_size, given["min_size"]), (group.max_size, given["max_size"]))
        )
        check_bounds(least or 0, most or 0, given["desired_capacity"])
        if group.warm_pool:
            check_policy(given["mixed_instances_policy"])
        updated: LocalGroup = super().update_auto_scaling_group(**given)
        return updated

    def set_desired_capacity(self, group_name: str, desired_capacity: int | None) -> None:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html"""
        group = self.group(group_name)
        wanted = (group.min_size or 0) if desired_capacity is None else desired_capacity
        check_desired(group_name, group.min_size or 0, group.max_size or 0, wanted)
        group.set_desired_capacity(wanted)

    def delete_group(self, name: str, *, force: bool) -> None:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html

        With force all instances end at once, whatever refresh is active: no terminate hook runs; a warm pool goes too.
        """
        group = self.group(name)
        if group.instance_states and not force:
            raise ResourceInUseError(
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group."
            )
        if group.warm_pool and not force:
            raise ResourceInUseError("You cannot delete an AutoScalingGroup while it has a warm pool.")
        for member in list(group.instance_states):
            member.waits = {}
            group.finish_termination(member)
        for hook in self.describe_lifecycle_hooks(name):
            self.delete_lifecycle_hook(name, hook.name)
        del self.autoscaling_groups[name]
        current().tick_failures.pop(name, None)

    def group(self, name: str) -> LocalGroup:
        """Raises ValidationError when there is none of this name."""
        return self.autoscaling_groups[name]

    # --- Instances.

    def member(self, instance_id: str) -> Member | None:
        groups = self.autoscaling_groups.values()
        return next(
            (each for group in groups for each in group.instance_states if each.instance_id == instance_id), None
        )

    def known_member(self, instance_id: str) -> Member:
        """Raises ValidationError when no group has it."""
        if (member := self.member(instance_id)) is None:
            raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
        return member

    def terminate_instance(self, instance_id: str, should_decrement: bool) -> Activity:
        """TerminateInstanceInAutoScalingGroup.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html
        """
        member = self.known_member(instance_id)
        group: LocalGroup = member.auto_scaling_group
        if should_decrement and member.counted:
            check_decrement(group.min_size or 0, group.desired_capacity)
            group.desired_capacity -= 1
        return group.begin_termination(member, causes.USER_REQUEST)

    def set_instance_health(self, instance_id: str, health_status: str) -> None:
        self.known_member(instance_id).health_status = health_status

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """TerminateInstances was called on EC2: the group's health check finds out by itself."""

    # --- Targets.

    def update_attached_target_groups(self, group_name: str) -> None:
        """Register exactly the instances in service with the group's target groups.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-load-balancer-asg.html
        """
        group = self.autoscaling_groups[group_name]
        serving = {each.instance_id for each in group.active_instances()}
        for arn in group.target_group_arns:
            if (targets := self.elbv2_backend.target_groups.get(arn)) is None:
                continue  # a target group can be deleted before its group
            leaving = ({each.instance_id for each in group.instance_states} - serving) & set(targets.targets)
            coming = set() if group.suspends("AddToLoadBalancer") else serving - set(targets.targets)
            if leaving:
                self.elbv2_backend.deregister_targets(arn, [{"Id": each} for each in sorted(leaving)])
            if coming:
                self.elbv2_backend.register_targets(
                    arn, [{"Id": each, "Port": targets.port} for each in sorted(coming)]
                )

    def detach_load_balancer_target_groups(self, group_name: str, target_group_arns: list[str]) -> None:
        group = self.group(group_name)
        group.target_group_arns = [each for each in group.target_group_arns if each not in target_group_arns]
        members = {each.instance_id for each in group.instance_states}
        for arn in target_group_arns:
            if targets := self.elbv2_backend.target_groups.get(arn):
                leaving = sorted(members & set(targets.targets))
                self.elbv2_backend.deregister_targets(arn, [{"Id": each} for each in leaving])

    # --- Hooks.

    def put_hook(self, group: LocalGroup, given: dict[str, Any]) -> None:
        """Make a hook or change what is given of one; hooks that hold instances already stay as they were.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
        """
        present = self.lifecycle_hooks.get(f"{group.name}_{given['LifecycleHookName']}")
        if present is not None:
            old = {
                "LifecycleTransition": present.lifecycle_transition,
                "HeartbeatTimeout": present.heartbeat_timeout,
                "DefaultResult": present.default_result,
                "NotificationMetadata": present.notification_metadata,
            }
            given = {**old, **{key: value for key, value in given.items() if value is not None}}
        hooks.check_hook(given)
        if given.get("NotificationTargetARN"):
            raise NotSimulatedError("A lifecycle hook's notification target")
        hook = self.create_lifecycle_hook(
            given["LifecycleHookName"],
            group.name,
            given["LifecycleTransition"],
            int(given.get("HeartbeatTimeout") or hooks.DEFAULT_SECONDS),
            given.get("DefaultResult") or hooks.ABANDON,
        )
        hook.role_arn = hook.notification_target_arn = None  # moto makes some up
        hook.notification_metadata = given.get("NotificationMetadata")
        seconds = hooks.MOST_HEARTBEATS * hook.heartbeat_timeout
        hook.global_timeout = min(hooks.LONGEST_TOTAL_SECONDS, seconds)

    def held_by(self, hook: str, group_name: str, token: str | None, instance_id: str | None) -> Member:
        """The instance that this hook holds. Raises ValidationError when it holds none (any more)."""
        for member in self.group(group_name).instance_states:
            wait = member.waits.get(hook)
            if wait and (wait.token == token or member.instance_id == instance_id):
                return member
        whom = f"instance ID {instance_id}" if instance_id else f"token {token}"
        raise ValidationError(f"No active Lifecycle Action found with {whom}")

    # --- Time.

    def tick(self) -> None:
        """One step for every group; a defect in one spares the others."""
        attempt("spot notices", lambda: act_on_notices(self))
        for name, group in list(self.autoscaling_groups.items()):
            attempt(name, group.tick)


class _Groups(dict[str, LocalGroup]):
    """moto's actions look groups up without asking whether they exist, which would be an internal error."""

    def __missing__(self, name: str) -> LocalGroup:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
