"""Auto Scaling groups and their lifecycle hooks."""

import re
from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.resource import AutoName, Aws, Handler, camel, chosen, names, pascal
from localcloud.provider.values import Properties

DELETE_SECONDS = 600.0  # as Terraform's provider: instances may drain as long as their hook lets them
DEFAULT_CAPACITY_WAIT = "10m"
DESIRED = "DesiredCapacity"

# Inputs that the create and the update call take as they are.
_PLAIN = names(
    "minSize maxSize desiredCapacity healthCheckType healthCheckGracePeriod capacityRebalance defaultInstanceWarmup "
    "defaultCooldown terminationPolicies maxInstanceLifetime mixedInstancesPolicy"
)
_MIXED = names("""launchTemplate.launchTemplateSpecification.launchTemplateId
    launchTemplate.launchTemplateSpecification.launchTemplateName launchTemplate.launchTemplateSpecification.version
    launchTemplate.overrides.instanceType launchTemplate.overrides.weightedCapacity
    instancesDistribution.onDemandAllocationStrategy instancesDistribution.onDemandBaseCapacity
    instancesDistribution.onDemandPercentageAboveBaseCapacity instancesDistribution.spotAllocationStrategy
    instancesDistribution.spotInstancePools instancesDistribution.spotMaxPrice""")


class Group(Handler):
    """A group. Default tags of the provider are not for groups, as in Pulumi's provider."""

    token = "aws:autoscaling/group:Group"
    inputs = (
        names("name tags.key tags.value tags.propagateAtLaunch targetGroupArns vpcZoneIdentifiers")
        | names("launchTemplate.id launchTemplate.name launchTemplate.version protectFromScaleIn suspendedProcesses")
        | names("forceDelete waitForCapacityTimeout enabledMetrics metricsGranularity")
        | names("instanceRefresh warmPool")  # kept in Pulumi's state, without effect here: docs/fidelity.md
        | (_PLAIN - {"mixedInstancesPolicy"})
        | frozenset(f"mixedInstancesPolicy.{path}" for path in _MIXED)
    )
    outputs = (
        names("arn name tags targetGroupArns vpcZoneIdentifiers launchTemplate availabilityZones")
        | names("protectFromScaleIn suspendedProcesses region enabledMetrics")
        | (_PLAIN - {"maxInstanceLifetime"})
    )
    replaced_by = names("name")
    auto_name = AutoName()
    unordered = names("tags targetGroupArns vpcZoneIdentifiers suspendedProcesses enabledMetrics")

    def create(self, aws: Aws, inputs: Properties) -> str:
        client, name = aws.client("autoscaling"), inputs["name"]
        client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            TargetGroupARNs=inputs.get("targetGroupArns", []),
            NewInstancesProtectedFromScaleIn=inputs.get("protectFromScaleIn", False),
            Tags=[_tag(name, each) for each in inputs.get("tags", [])],
            **_settings(inputs),
        )
        return str(name)

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        if suspended := inputs.get("suspendedProcesses"):
            aws.client("autoscaling").suspend_processes(AutoScalingGroupName=id_, ScalingProcesses=suspended)
        _set_metrics(aws.client("autoscaling"), id_, set(inputs.get("enabledMetrics", [])))
        self._wait_for_capacity(aws, id_, inputs)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group = _describe(aws, id_)
        tags = [_tag_input(each) for each in group.get("Tags", []) if not each["Key"].startswith("aws:")]
        template = group.get("LaunchTemplate", {})
        renamed = {"id": "LaunchTemplateId", "name": "LaunchTemplateName"}
        present = {
            "arn": group["AutoScalingGroupARN"],
            "name": group["AutoScalingGroupName"],
            "availabilityZones": sorted(group.get("AvailabilityZones", [])),
            "vpcZoneIdentifiers": sorted(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
            "targetGroupArns": sorted(group.get("TargetGroupARNs", [])),
            "protectFromScaleIn": group.get("NewInstancesProtectedFromScaleIn", False),
            "suspendedProcesses": sorted(each["ProcessName"] for each in group.get("SuspendedProcesses", [])),
            "region": aws.region,
            "enabledMetrics": sorted(each["Metric"] for each in group.get("EnabledMetrics", [])),
            "tags": sorted(tags, key=lambda tag: str(tag["key"])),
            "launchTemplate": camel(template, renamed),
            **camel({key: value for key, value in group.items() if key[:1].lower() + key[1:] in _PLAIN}),
        }
        empty = (key for key in ("launchTemplate", "tags", "suspendedProcesses", "enabledMetrics") if not present[key])
        return {key: value for key, value in present.items() if key not in set(empty)}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        """Bring the group to the inputs.

        The desired capacity is sent only where the program changed it, as Terraform's provider does
        (`d.HasChange("desired_capacity")`): with `ignore_changes` the inputs keep the first value for ever, and
        sending it would end the instances that scaling has launched since.
        """
        client, group = aws.client("autoscaling"), _describe(aws, id_)
        unchanged = "desiredCapacity" in known and inputs.get("desiredCapacity") == known["desiredCapacity"]
        settings = {key: value for key, value in _settings(inputs).items() if not (unchanged and key == DESIRED)}
        client.update_auto_scaling_group(
            AutoScalingGroupName=id_,
            NewInstancesProtectedFromScaleIn=inputs.get("protectFromScaleIn", False),
            **settings,
        )
        _set_target_groups(client, id_, set(group.get("TargetGroupARNs", [])), set(inputs.get("targetGroupArns", [])))
        _set_tags(client, id_, group.get("Tags", []), inputs.get("tags", []))
        present = {each["ProcessName"] for each in group.get("SuspendedProcesses", [])}
        if resumed := sorted(present - set(inputs.get("suspendedProcesses", []))):
            client.resume_processes(AutoScalingGroupName=id_, ScalingProcesses=resumed)
        self.complete(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """Scale to 0, wait until the last instance has ended, delete; with `forceDelete` without that wait before."""
        client, forced = aws.client("autoscaling"), bool(known.get("forceDelete"))
        if _status(aws, id_).startswith("Delete"):  # another deletion is under way: only wait for it
            return self._wait_until(aws, f"group {id_} is deleted", lambda: not _found(aws, id_))
        if not forced:
            client.update_auto_scaling_group(AutoScalingGroupName=id_, MinSize=0, MaxSize=0, DesiredCapacity=0)
            self._wait_until(
                aws, f"the last instance of group {id_} ends", lambda: not _describe(aws, id_)["Instances"]
            )
        client.delete_auto_scaling_group(AutoScalingGroupName=id_, ForceDelete=forced)
        return self._wait_until(aws, f"group {id_} is deleted", lambda: not _found(aws, id_))

    @staticmethod
    def _wait_until(aws: Aws, what: str, reached: Any) -> None:
        aws.waiting.until(reached, DELETE_SECONDS, what)

    @staticmethod
    def _wait_for_capacity(aws: Aws, id_: str, inputs: Properties) -> None:
        """Wait as Pulumi's provider does until the wanted instances are in service; "0" stands for no wait."""
        seconds = _seconds(inputs.get("waitForCapacityTimeout", DEFAULT_CAPACITY_WAIT))
        wanted = int(inputs["desiredCapacity"] if "desiredCapacity" in inputs else inputs["minSize"])

        def in_service() -> bool:
            instances = _describe(aws, id_)["Instances"]
            return len([each for each in instances if each["LifecycleState"] == "InService"]) >= wanted

        if seconds and wanted:
            aws.waiting.until(in_service, seconds, f"{wanted} instances of group {id_} in service")


class LifecycleHook(Handler):
    token = "aws:autoscaling/lifecycleHook:LifecycleHook"
    inputs = names("name autoscalingGroupName lifecycleTransition heartbeatTimeout defaultResult notificationMetadata")
    outputs = inputs | names("region")
    replaced_by = names("name autoscalingGroupName")
    auto_name = AutoName()

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("lifecycleTransition", "heartbeatTimeout", "defaultResult", "notificationMetadata"))
        group = inputs["autoscalingGroupName"]
        client = aws.client("autoscaling")
        client.put_lifecycle_hook(LifecycleHookName=inputs["name"], AutoScalingGroupName=group, **given)
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group, name = self._place(id_, known)
        _describe(aws, group)  # AWS answers for a group that is gone with a plain validation error
        found = aws.client("autoscaling").describe_lifecycle_hooks(
            AutoScalingGroupName=group, LifecycleHookNames=[name]
        )
        if not found["LifecycleHooks"]:
            raise GoneError(id_)
        hook = found["LifecycleHooks"][0]
        metadata = hook.get("NotificationMetadata")
        return {
            "name": name,
            "autoscalingGroupName": group,
            "lifecycleTransition": hook["LifecycleTransition"],
            "heartbeatTimeout": hook["HeartbeatTimeout"],
            "defaultResult": hook["DefaultResult"],
            "region": aws.region,
            **({"notificationMetadata": metadata} if metadata else {}),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        group, name = self._place(id_, known)
        self.read(aws, id_, known)  # AWS answers for a hook that is gone with a plain validation error, too
        aws.client("autoscaling").delete_lifecycle_hook(AutoScalingGroupName=group, LifecycleHookName=name)

    @staticmethod
    def _place(id_: str, known: Properties) -> tuple[str, str]:
        if not known:  # an import: the id is GROUP/HOOK
            group, _, name = id_.partition("/")
            return group, name
        return known["autoscalingGroupName"], known["name"]


def _found(aws: Aws, name: str) -> list[Any]:
    reply = aws.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return list(reply["AutoScalingGroups"])


def _describe(aws: Aws, name: str) -> Any:
    if not (groups := _found(aws, name)):
        raise GoneError(name)
    return groups[0]


def _status(aws: Aws, name: str) -> str:
    """Empty unless the group is being deleted."""
    return str(_describe(aws, name).get("Status", ""))


def _settings(inputs: Properties) -> dict[str, Any]:
    given: dict[str, Any] = chosen(inputs, _PLAIN)
    if "launchTemplate" in inputs:
        renamed = {"id": "LaunchTemplateId", "name": "LaunchTemplateName"}
        given["LaunchTemplate"] = pascal(inputs["launchTemplate"], renamed)
    if "vpcZoneIdentifiers" in inputs:
        given["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
    return given


def _tag(group: str, tag: Properties) -> dict[str, Any]:
    return {"ResourceId": group, "ResourceType": "auto-scaling-group", **pascal(tag)}


def _tag_input(tag: dict[str, Any]) -> Properties:
    return {"key": tag["Key"], "value": tag["Value"], "propagateAtLaunch": tag["PropagateAtLaunch"]}


def _set_tags(client: Any, group: str, present: list[dict[str, Any]], wanted: list[Properties]) -> None:
    kept = {each["key"] for each in wanted}
    removed = [{"Key": tag["Key"]} for tag in present if not tag["Key"].startswith("aws:") and tag["Key"] not in kept]
    if removed:
        client.delete_tags(Tags=[_tag(group, {"key": each["Key"]}) for each in removed])
    if changed := [each for each in wanted if each not in [_tag_input(tag) for tag in present]]:
        client.create_or_update_tags(Tags=[_tag(group, each) for each in changed])


def _set_metrics(client: Any, group: str, wanted: set[str]) -> None:
    """Publish these metrics of the group and no others; AWS knows one granularity."""
    described = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
    present = {each["Metric"] for each in described.get("EnabledMetrics", [])}
    if removed := sorted(present - wanted):
        client.disable_metrics_collection(AutoScalingGroupName=group, Metrics=removed)
    if added := sorted(wanted - present):
        client.enable_metrics_collection(AutoScalingGroupName=group, Metrics=added, Granularity="1Minute")


def _set_target_groups(client: Any, group: str, present: set[str], wanted: set[str]) -> None:
    if added := sorted(wanted - present):
        client.attach_load_balancer_target_groups(AutoScalingGroupName=group, TargetGroupARNs=added)
    if removed := sorted(present - wanted):
        client.detach_load_balancer_target_groups(AutoScalingGroupName=group, TargetGroupARNs=removed)


def _seconds(duration: str) -> float:
    """A Go duration such as "10m" or "1h30m" in seconds."""
    if not re.fullmatch(r"0|(\d+(\.\d+)?[hms])+", duration):
        raise ProviderError(
            f'waitForCapacityTimeout is {duration!r}, no duration; give one like "10m", or "0" not to wait'
        )
    return sum(
        float(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in re.findall(r"([\d.]+)([hms])", duration)
    )
