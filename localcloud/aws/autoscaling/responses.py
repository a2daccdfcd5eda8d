"""Auto Scaling requests, one at a time, and the actions that moto lacks or that it leaves half done."""

from typing import Any

from botocore import xform_name
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws.autoscaling.errors import NotSimulatedError, ValidationError
from localcloud.aws.autoscaling.group import LocalGroup
from localcloud.aws.autoscaling.hooks import ABANDON, CONTINUE, check_hook, check_result
from localcloud.aws.autoscaling.lifetime import checked_lifetime
from localcloud.aws.autoscaling.member import Member
from localcloud.aws.autoscaling.models import LocalAutoScalingBackend
from localcloud.aws.autoscaling.refresh_actions import RefreshActions
from localcloud.aws.autoscaling.setting_actions import SettingActions
from localcloud.aws.cloud import current

# mypy: disallow-subclassing-any=False

# Settings of a group that moto's create or update action drops.
KEPT_SETTINGS = (
    "CapacityRebalance",
    "Context",
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "DesiredCapacityType",
    "PlacementGroup",
    "TerminationPolicies",
)
MOST_HOOKS_AT_CREATION = 5  # AWS allows 50 a group, 5 in the call that makes it


class LocalAutoScalingResponse(RefreshActions, SettingActions, AutoScalingResponse):
    """moto's Auto Scaling actions under the cloud's lock."""

    @property
    def autoscaling_backend(self) -> LocalAutoScalingBackend:
        backend: LocalAutoScalingBackend = autoscaling_backends[self.current_account][self.region]
        return backend

    def call_action(self) -> Any:
        with current().lock:
            return super().call_action()

    # --- Groups.

    def create_auto_scaling_group(self) -> Any:
        """CreateAutoScalingGroup, with its LifecycleHookSpecificationList; refused as a whole or done as a whole."""
        given = self._get_params()
        specifications = given.get("LifecycleHookSpecificationList") or []
        if len(specifications) > MOST_HOOKS_AT_CREATION:
            raise ValidationError(f"{len(specifications)} lifecycle hooks given, at most {MOST_HOOKS_AT_CREATION} here")
        for each in specifications:
            check_hook(each)
        checked_lifetime(given.get("MaxInstanceLifetime"))
        result = super().create_auto_scaling_group()
        group = self.autoscaling_backend.group(given["AutoScalingGroupName"])
        _keep_settings(group, given)
        for each in specifications:
            self.autoscaling_backend.put_hook(group, each)
        return result

    def update_auto_scaling_group(self) -> Any:
        given = self._get_params()
        checked_lifetime(given.get("MaxInstanceLifetime"))
        result = super().update_auto_scaling_group()
        _keep_settings(self.autoscaling_backend.group(given["AutoScalingGroupName"]), given)
        return result

    def delete_auto_scaling_group(self) -> Any:
        force = bool(self._get_bool_param("ForceDelete", False))
        self.autoscaling_backend.delete_group(self._get_param("AutoScalingGroupName"), force=force)
        return EmptyResult()

    def describe_scaling_activities(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html"""
        name, ids = self._get_param("AutoScalingGroupName"), self._get_param("ActivityIds", [])
        groups = (
            [self.autoscaling_backend.group(name)] if name else self.autoscaling_backend.autoscaling_groups.values()
        )
        found = [each for group in groups for each in group.activities if not ids or each.activity_id in ids]
        found.sort(key=lambda each: each.start_time, reverse=True)
        begin, size = int(self._get_param("NextToken") or 0), self._get_int_param("MaxRecords") or 100
        following = str(begin + size) if len(found) > begin + size else None
        return ActionResult({"Activities": found[begin : begin + size], "NextToken": following})

    # --- Hooks.

    def put_lifecycle_hook(self) -> Any:
        given = self._get_params()
        self.autoscaling_backend.put_hook(self.autoscaling_backend.group(given["AutoScalingGroupName"]), given)
        return EmptyResult()

    def describe_lifecycle_hooks(self) -> Any:
        self.autoscaling_backend.group(self._get_param("AutoScalingGroupName"))
        return super().describe_lifecycle_hooks()

    def delete_lifecycle_hook(self) -> Any:
        """DeleteLifecycleHook: instances that it holds go on, launching ones abandoned, terminating ones ended.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLifecycleHook.html
        """
        group, name = self.autoscaling_backend.group(self._get_param("AutoScalingGroupName")), self._hook_name()
        if not self.autoscaling_backend.describe_lifecycle_hooks(group.name, [name]):
            raise ValidationError(f"No Lifecycle Hook found with name {name} for group {group.name}")
        for member in [each for each in group.instance_states if name in each.waits]:
            group.complete(member, name, ABANDON if member.counted else CONTINUE)
            group.step(member)
        self.autoscaling_backend.delete_lifecycle_hook(group.name, name)
        return EmptyResult()

    def complete_lifecycle_action(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html"""
        result = self._get_param("LifecycleActionResult")
        check_result(result)
        member = self._held()
        group: LocalGroup = member.auto_scaling_group
        group.complete(member, self._hook_name(), result)
        group.step(member)
        return EmptyResult()

    def record_lifecycle_action_heartbeat(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html"""
        self._held().waits[self._hook_name()].heartbeat(current().clock.now())
        return EmptyResult()

    def _hook_name(self) -> str:
        return str(self._get_param("LifecycleHookName"))

    def _held(self) -> Member:
        group, token = self._get_param("AutoScalingGroupName"), self._get_param("LifecycleActionToken")
        return self.autoscaling_backend.held_by(self._hook_name(), group, token, self._get_param("InstanceId"))

    # --- Policies.

    def put_scaling_policy(self) -> Any:
        """PutScalingPolicy; moto spells the ARN's member wrongly, so that boto3 does not find it."""
        answer = super().put_scaling_policy().result
        return ActionResult({"PolicyARN": answer.get("PolicyARN") or answer["PolicyArn"], "Alarms": []})

    # --- What would only half happen.

    def attach_instances(self) -> Any:
        raise NotSimulatedError("AttachInstances")

    def detach_instances(self) -> Any:
        raise NotSimulatedError("DetachInstances")

    def enter_standby(self) -> Any:
        raise NotSimulatedError("EnterStandby")

    def exit_standby(self) -> Any:
        raise NotSimulatedError("ExitStandby")


def _keep_settings(group: LocalGroup, given: dict[str, Any]) -> None:
    for name in KEPT_SETTINGS:
        if given.get(name) is not None:
            setattr(group, xform_name(name), given[name])
    if "MaxInstanceLifetime" in given:
        group.max_instance_lifetime = checked_lifetime(given["MaxInstanceLifetime"])
