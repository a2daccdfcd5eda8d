"""What groups promise beyond what every type does: refreshes, warm pools, and a deletion that lets nodes drain."""

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.in_process import LocalAws
from localcloud.provider import operations
from localcloud.provider.errors import ProviderError
from localcloud.provider.handlers import autoscaling_refresh
from localcloud.provider.registry import handler_for
from localcloud.provider.resource import Aws
from localcloud.provider.values import Properties
from localcloud.provider.waiting import Waiting
from tests.aws.provider.world import REGION, World

GROUP = handler_for("aws:autoscaling/group:Group")
PREFERENCES = {"minHealthyPercentage": 100, "maxHealthyPercentage": 110, "instanceWarmup": "0", "skipMatching": True}
DRAIN = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": 60}


@dataclass
class Fleet:
    """One group as the provider made it; time passes while the provider waits."""

    cloud: LocalAws
    aws: Aws
    inputs: Properties
    made: operations.Made

    @property
    def asg(self) -> Any:
        return self.cloud.client("autoscaling")

    def update(self, **changes: Any) -> operations.Made:
        self.inputs = {**self.inputs, **changes}
        self.made = operations.update(GROUP, self.aws, self.made.id, self.inputs, self.made.state)
        return self.made

    def refreshes(self) -> list[dict[str, Any]]:
        found = self.asg.describe_instance_refreshes(AutoScalingGroupName=self.made.id)["InstanceRefreshes"]
        return list(found)

    def instances(self) -> list[dict[str, Any]]:
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[self.made.id])["AutoScalingGroups"]
        return list(found[0]["Instances"])

    def new_version(self) -> str:
        template = self.inputs["launchTemplate"]["id"]
        data = {"ImageId": "ami-2", "InstanceType": "t3.small"}
        made = self.cloud.client("ec2").create_launch_template_version(
            LaunchTemplateId=template, LaunchTemplateData=data
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def from_version(self, version: str) -> Properties:
        return {"launchTemplate": {"id": self.inputs["launchTemplate"]["id"], "version": version}}


def passing(cloud: LocalAws) -> Aws:
    def pause(seconds: float) -> bool:
        cloud.pass_seconds(10)
        return False

    return Aws(cloud.client, REGION, Waiting(pause=pause))


@pytest.fixture
def fleet(cloud: LocalAws, world: World) -> Fleet:
    """Two instances in service."""
    inputs: Properties = {
        "name": world.name("fleet"),
        "minSize": 0,
        "maxSize": 4,
        "desiredCapacity": 2,
        "vpcZoneIdentifiers": world.subnets(),
        "launchTemplate": {"id": world.launch_template(), "version": "1"},
        "instanceRefresh": {"strategy": "Rolling", "preferences": PREFERENCES, "triggers": ["tag"]},
    }
    made = operations.create(GROUP, passing(cloud), inputs)
    assert made.failure == ""
    return Fleet(cloud, passing(cloud), inputs, made)


def test_a_new_template_version_starts_a_refresh_that_nobody_waits_for(fleet: Fleet) -> None:
    assert fleet.update(**fleet.from_version(fleet.new_version())).failure == ""
    (refresh,) = fleet.refreshes()
    assert refresh["Status"] == "Pending"
    assert refresh["Preferences"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 110,
        "InstanceWarmup": 0,
        "SkipMatching": True,
        "AutoRollback": False,
        "ScaleInProtectedInstances": "Ignore",
        "StandbyInstances": "Ignore",
    }
    assert "DesiredConfiguration" not in refresh
    fleet.cloud.tick(12)
    assert fleet.refreshes()[0]["Status"] == "Successful"
    assert {each["LaunchTemplate"]["Version"] for each in fleet.instances()} == {"2"}


def test_with_auto_rollback_the_refresh_is_told_what_is_desired(fleet: Fleet) -> None:
    preferences = {**PREFERENCES, "autoRollback": True}
    version = fleet.new_version()
    fleet.update(instanceRefresh={"strategy": "Rolling", "preferences": preferences}, **fleet.from_version(version))
    (refresh,) = fleet.refreshes()
    assert refresh["DesiredConfiguration"]["LaunchTemplate"]["Version"] == version


def test_the_group_has_its_new_template_before_the_refresh_ends(fleet: Fleet) -> None:
    """As Pulumi's provider does it; so a rollback cannot bring the old one back (terraform-provider-aws 34189)."""
    fleet.update(**fleet.from_version(fleet.new_version()))
    assert fleet.made.state["launchTemplate"]["version"] == "2"
    assert fleet.refreshes()[0]["Status"] == "Pending"


def test_a_refresh_under_way_is_cancelled_for_the_next_one(fleet: Fleet) -> None:
    fleet.update(**fleet.from_version(fleet.new_version()))
    fleet.cloud.tick()
    assert fleet.update(**fleet.from_version(fleet.new_version())).failure == ""
    assert [each["Status"] for each in fleet.refreshes()] == ["Pending", "Cancelled"]


def test_other_changes_start_no_refresh_but_triggers_do(fleet: Fleet) -> None:
    assert fleet.update(maxSize=5, healthCheckGracePeriod=30).failure == ""
    assert fleet.refreshes() == []
    fleet.update(tags=[{"key": "release", "value": "2", "propagateAtLaunch": True}])
    assert len(fleet.refreshes()) == 1


def test_a_group_without_instance_refresh_only_changes_what_it_launches_next(fleet: Fleet) -> None:
    del fleet.inputs["instanceRefresh"]
    assert fleet.update(**fleet.from_version(fleet.new_version())).failure == ""
    assert fleet.refreshes() == []


def test_defaults_that_aws_adds_to_a_mixed_policy_are_no_change() -> None:
    policy = {"launchTemplate": {"launchTemplateSpecification": {"launchTemplateId": "lt-1", "version": "1"}}}
    known = {"mixedInstancesPolicy": {**policy, "instancesDistribution": {"onDemandBaseCapacity": 0}}}
    inputs = {"mixedInstancesPolicy": policy, "instanceRefresh": {"strategy": "Rolling"}}
    assert not autoscaling_refresh.wanted(inputs, known, GROUP.top_level_inputs())
    newer = {"launchTemplate": {"launchTemplateSpecification": {"launchTemplateId": "lt-1", "version": "2"}}}
    inputs["mixedInstancesPolicy"] = newer
    assert autoscaling_refresh.wanted(inputs, known, GROUP.top_level_inputs())


@pytest.mark.parametrize("trigger", ["tags_all", "vpcZoneIdentifiers", "colour"])
def test_a_trigger_that_names_no_property_is_refused(trigger: str) -> None:
    inputs = {"instanceRefresh": {"strategy": "Rolling", "triggers": [trigger]}}
    with pytest.raises(ProviderError, match=f"'{trigger}' in instanceRefresh.triggers"):
        autoscaling_refresh.wanted(inputs, {}, GROUP.top_level_inputs())


def test_a_warm_pool_comes_changes_and_goes_with_the_program(fleet: Fleet) -> None:
    pool = {"poolState": "Stopped", "minSize": 1, "maxGroupPreparedCapacity": 2}
    reuse = {"instanceReusePolicy": {"reuseOnScaleIn": True}}
    assert fleet.update(warmPool={**pool, **reuse}).state["warmPool"] == {**pool, **reuse}
    assert fleet.update(warmPool={**pool, "minSize": 2}).state["warmPool"] == {**pool, "minSize": 2, **reuse}
    assert fleet.update(warmPool={"minSize": 1}).state["warmPool"]["maxGroupPreparedCapacity"] == -1
    del fleet.inputs["warmPool"]
    assert "warmPool" not in fleet.update().state


def test_a_minimum_of_zero_does_not_reach_a_warm_pool(fleet: Fleet) -> None:
    """As Pulumi's provider leaves it out: hashicorp/terraform-provider-aws issue 44732."""
    fleet.update(warmPool={"minSize": 1})
    assert fleet.update(warmPool={"minSize": 0}).state["warmPool"]["minSize"] == 1


def test_a_group_is_deleted_after_its_warm_pool(fleet: Fleet) -> None:
    fleet.update(warmPool={"minSize": 1})
    operations.delete(GROUP, fleet.aws, fleet.made.id, fleet.made.state)
    assert operations.read(GROUP, fleet.aws, fleet.made.id, fleet.inputs, fleet.made.state) is None


def test_deleting_a_group_lets_its_instances_go_through_their_hook_also_protected_ones(fleet: Fleet) -> None:
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName=fleet.made.id, LifecycleHookName="drain", **DRAIN)
    ids = [each["InstanceId"] for each in fleet.instances()]
    fleet.asg.set_instance_protection(AutoScalingGroupName=fleet.made.id, InstanceIds=ids, ProtectedFromScaleIn=True)
    seen: set[str] = set()

    def pause(seconds: float) -> bool:
        fleet.cloud.pass_seconds(10)
        seen.update(each["LifecycleState"] for each in fleet.instances())
        return False

    waiting = Aws(fleet.cloud.client, REGION, Waiting(pause=pause))
    operations.delete(GROUP, waiting, fleet.made.id, fleet.made.state)
    assert "Terminating:Wait" in seen
    assert operations.read(GROUP, fleet.aws, fleet.made.id, fleet.inputs, fleet.made.state) is None


def test_a_group_is_deleted_while_its_instances_are_refreshed(fleet: Fleet) -> None:
    fleet.update(**fleet.from_version(fleet.new_version()))
    fleet.cloud.tick(2)
    operations.delete(GROUP, fleet.aws, fleet.made.id, fleet.made.state)
    assert operations.read(GROUP, fleet.aws, fleet.made.id, fleet.inputs, fleet.made.state) is None


def test_a_hook_that_holds_longer_than_the_provider_waits_leaves_the_group_for_the_next_time(fleet: Fleet) -> None:
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName=fleet.made.id, LifecycleHookName="drain", **DRAIN)
    times = iter(range(0, 10**6, 601))
    impatient = Aws(fleet.cloud.client, REGION, Waiting(pause=lambda _: False, clock=lambda: next(times)))
    with pytest.raises(ProviderError, match="goes through its hooks and ends: not reached within 600 s"):
        operations.delete(GROUP, impatient, fleet.made.id, fleet.made.state)
    operations.delete(GROUP, fleet.aws, fleet.made.id, fleet.made.state)
    with pytest.raises(ClientError, match="not found"):
        fleet.asg.describe_instance_refreshes(AutoScalingGroupName=fleet.made.id)
