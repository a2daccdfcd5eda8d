"""Auto Scaling groups."""

from typing import Any

from botocore.exceptions import ClientError

from localcloud.provider.handlers import autoscaling_calls as calls
from localcloud.provider.handlers import autoscaling_pool as pool
from localcloud.provider.handlers import autoscaling_refresh as refresh
from localcloud.provider.resource import AutoName, Aws, Handler, camel, names
from localcloud.provider.values import Properties

DELETE_SECONDS = 600.0  # as Pulumi's provider: instances may drain as long as their hook lets them
DEFAULT_CAPACITY_WAIT = "10m"
DESIRED, LIFETIME = "DesiredCapacity", "MaxInstanceLifetime"
MOST_PROTECTED = 50  # instances in one SetInstanceProtection call
BUSY = ("ResourceInUse", "ScalingActivityInProgress")
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
        | names("forceDelete forceDeleteWarmPool waitForCapacityTimeout enabledMetrics metricsGranularity")
        | (calls.PLAIN - {"mixedInstancesPolicy"})
        | frozenset(f"mixedInstancesPolicy.{path}" for path in _MIXED)
        | frozenset(f"instanceRefresh.{path}" for path in refresh.INPUTS)
        | frozenset(f"warmPool.{path}" for path in pool.INPUTS)
    )
    outputs = (
        names("arn name tags targetGroupArns vpcZoneIdentifiers launchTemplate availabilityZones warmPool")
        | names("protectFromScaleIn suspendedProcesses region enabledMetrics")
        | calls.PLAIN
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
            Tags=[calls.tag(name, each) for each in inputs.get("tags", [])],
            **calls.settings(inputs),
        )
        return str(name)

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        self._bring(aws, id_, inputs)
        _wait_for_capacity(aws, id_, inputs)

    def _bring(self, aws: Aws, id_: str, inputs: Properties) -> None:
        """What the create and the update call do not take."""
        client, group = aws.client("autoscaling"), calls.described(aws, id_)
        calls.set_suspended(client, group, set(inputs.get("suspendedProcesses", [])))
        granularity = inputs.get("metricsGranularity", calls.GRANULARITY)
        calls.set_metrics(client, group, set(inputs.get("enabledMetrics", [])), granularity)
        pool.bring(aws, group, inputs)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group = calls.described(aws, id_)
        tags = [calls.tag_input(each) for each in group.get("Tags", []) if not each["Key"].startswith("aws:")]
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
            "launchTemplate": camel(group.get("LaunchTemplate", {}), calls.TEMPLATE),
            **pool.shown(group),
            **camel({key: value for key, value in group.items() if key[:1].lower() + key[1:] in calls.PLAIN}),
        }
        empty = (key for key in ("launchTemplate", "tags", "suspendedProcesses", "enabledMetrics") if not present[key])
        return {key: value for key, value in present.items() if key not in set(empty)}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        """Bring the group to the inputs.

        The desired capacity is sent only where the program changed it, as Terraform's provider does
        (`d.HasChange("desired_capacity")`): with `ignore_changes` the inputs keep the first value for ever, and
        sending it would end the instances that scaling has launched since.
        """
        client, group = aws.client("autoscaling"), calls.described(aws, id_)
        refreshing = refresh.wanted(inputs, known, self.top_level_inputs())
        unchanged = inputs.get("desiredCapacity", known.get("desiredCapacity")) == known.get("desiredCapacity")
        given = {LIFETIME: 0, **calls.settings(inputs)}  # 0 removes one that the program does not name any more
        client.update_auto_scaling_group(
            AutoScalingGroupName=id_,
            NewInstancesProtectedFromScaleIn=inputs.get("protectFromScaleIn", False),
            **{key: value for key, value in given.items() if not (unchanged and key == DESIRED)},
        )
        calls.set_tags(client, group, inputs.get("tags", []))
        calls.set_target_groups(client, group, set(inputs.get("targetGroupArns", [])))
        if refreshing:
            refresh.start(aws, id_, inputs)
        self._bring(aws, id_, inputs)
        # Before the first read there is no ARN: its creation was not finished.
        if "arn" not in known or not unchanged or inputs["minSize"] != known.get("minSize"):
            _wait_for_capacity(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """Delete the warm pool, scale to 0, wait until the last instance has gone through its hooks, delete.

        With `forceDelete` nothing is waited for before the deletion, and no hook runs.
        """
        group, forced = calls.described(aws, id_), bool(known.get("forceDelete"))
        if not str(group.get("Status", "")).startswith("Delete"):  # else another deletion is under way
            pool.delete_with_group(aws, group, known)
            if not forced:
                _drain(aws, group)
            _wait_until(aws, f"group {id_} can be deleted", lambda: _deleted(aws, id_, forced))
        _wait_until(aws, f"group {id_} is deleted", lambda: not calls.found(aws, id_))


def _drain(aws: Aws, group: Any) -> None:
    """Let every instance end, also those protected from scale-in."""
    client, id_ = aws.client("autoscaling"), group["AutoScalingGroupName"]
    client.update_auto_scaling_group(AutoScalingGroupName=id_, MinSize=0, MaxSize=0, DesiredCapacity=0)
    protected = [each["InstanceId"] for each in group["Instances"] if each.get("ProtectedFromScaleIn")]
    for start in range(0, len(protected), MOST_PROTECTED):
        some = protected[start : start + MOST_PROTECTED]
        client.set_instance_protection(AutoScalingGroupName=id_, InstanceIds=some, ProtectedFromScaleIn=False)
    what = f"the last instance of group {id_} goes through its hooks and ends"
    _wait_until(aws, what, lambda: not calls.described(aws, id_)["Instances"])


def _deleted(aws: Aws, id_: str, forced: bool) -> bool:
    """Whether AWS took the deletion; it does not while an activity is under way."""
    try:
        aws.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=id_, ForceDelete=forced)
    except ClientError as error:
        if error.response["Error"]["Code"] not in BUSY:
            raise
        return False
    return True


def _wait_until(aws: Aws, what: str, reached: Any) -> None:
    aws.waiting.until(reached, DELETE_SECONDS, what)


def _wait_for_capacity(aws: Aws, id_: str, inputs: Properties) -> None:
    """Wait as Pulumi's provider does until the wanted instances are in service; "0" stands for no wait."""
    seconds = calls.seconds(inputs.get("waitForCapacityTimeout", DEFAULT_CAPACITY_WAIT))
    wanted = int(inputs["desiredCapacity"] if "desiredCapacity" in inputs else inputs["minSize"])

    def in_service() -> bool:
        instances = calls.described(aws, id_)["Instances"]
        return len([each for each in instances if each["LifecycleState"] == "InService"]) >= wanted

    if seconds and wanted:
        aws.waiting.until(in_service, seconds, f"{wanted} instances of group {id_} in service")
