"""What groups keep beside their instances: warm pools, published metrics, the maximum lifetime."""

from typing import Any

import pytest

from tests.aws.rolling import LAUNCH_FIRST, Rolling

POOL = {"PoolState": "Stopped", "MinSize": 1, "MaxGroupPreparedCapacity": 2}


def mixed(fleet: Any, on_demand_percentage: int, **override: str) -> dict[str, Any]:
    template = {"LaunchTemplateId": fleet.template(f"t{on_demand_percentage}{len(override)}"), "Version": "1"}
    overrides = [{"InstanceType": "t3.small", **override}]
    return {
        "LaunchTemplate": {"LaunchTemplateSpecification": template, "Overrides": overrides},
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": on_demand_percentage},
    }


def pool(fleet: Any) -> dict[str, Any]:
    return dict(fleet.asg.describe_warm_pool(AutoScalingGroupName="g"))


def test_a_warm_pool_is_kept_shown_and_changed_in_parts(fleet: Any):
    fleet.group(MixedInstancesPolicy=mixed(fleet, 100))
    reuse = {"InstanceReusePolicy": {"ReuseOnScaleIn": True}}
    fleet.asg.put_warm_pool(AutoScalingGroupName="g", **POOL, **reuse)
    assert pool(fleet)["WarmPoolConfiguration"] == {**POOL, **reuse}
    assert fleet.described()["WarmPoolConfiguration"] == {**POOL, **reuse}
    fleet.asg.put_warm_pool(AutoScalingGroupName="g", MinSize=0, MaxGroupPreparedCapacity=-1)
    assert pool(fleet)["WarmPoolConfiguration"] == {"PoolState": "Stopped", "MinSize": 0, **reuse}


def test_a_warm_pool_is_deleted_once(fleet: Any):
    fleet.group()
    fleet.asg.put_warm_pool(AutoScalingGroupName="g")
    fleet.asg.delete_warm_pool(AutoScalingGroupName="g")
    assert "WarmPoolConfiguration" not in pool(fleet)
    code, text = fleet.refusal(fleet.asg.delete_warm_pool, AutoScalingGroupName="g")
    assert (code, "No warm pool found" in text) == ("ValidationError", True)


@pytest.mark.parametrize("percentage", [0, 50])
def test_a_group_that_buys_any_spot_has_no_warm_pool(fleet: Any, percentage: int):
    fleet.group(MixedInstancesPolicy=mixed(fleet, percentage))
    code, text = fleet.refusal(fleet.asg.put_warm_pool, AutoScalingGroupName="g")
    assert (code, "Spot" in text) == ("ValidationError", True)


def test_a_group_whose_types_have_weights_has_no_warm_pool(fleet: Any):
    fleet.group(MixedInstancesPolicy=mixed(fleet, 100, WeightedCapacity="2"))
    assert fleet.refusal(fleet.asg.put_warm_pool, AutoScalingGroupName="g")[0] == "ValidationError"


def test_a_group_with_a_warm_pool_does_not_become_one_that_buys_spot(fleet: Any):
    fleet.group()
    fleet.asg.put_warm_pool(AutoScalingGroupName="g")
    update, policy = fleet.asg.update_auto_scaling_group, mixed(fleet, 0)
    assert fleet.refusal(update, AutoScalingGroupName="g", MixedInstancesPolicy=policy)[0] == "ValidationError"
    assert "MixedInstancesPolicy" not in fleet.described()


def test_a_pool_state_that_does_not_exist_is_refused(fleet: Any):
    fleet.group()
    code, text = fleet.refusal(fleet.asg.put_warm_pool, AutoScalingGroupName="g", PoolState="Asleep")
    assert (code, "Asleep must be one of Stopped, Running, Hibernated" in text) == ("ValidationError", True)


def test_a_warm_pool_is_not_changed_while_instances_are_refreshed(aws: Any, fleet: Any):
    Rolling(aws, fleet, 1).start(LAUNCH_FIRST, desired="2")
    code, _ = fleet.refusal(fleet.asg.put_warm_pool, AutoScalingGroupName="g")
    assert code == "InstanceRefreshInProgress"


def test_a_group_is_deleted_with_its_warm_pool_by_force_only(fleet: Any):
    fleet.group()
    fleet.asg.put_warm_pool(AutoScalingGroupName="g")
    assert fleet.refusal(fleet.asg.delete_auto_scaling_group, AutoScalingGroupName="g")[0] == "ResourceInUse"
    fleet.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_published_metrics_are_shown_and_turned_off_one_by_one(fleet: Any):
    def shown() -> list[str]:
        return [each["Metric"] for each in fleet.described()["EnabledMetrics"]]

    fleet.group()
    enable, disable = fleet.asg.enable_metrics_collection, fleet.asg.disable_metrics_collection
    enable(AutoScalingGroupName="g", Granularity="1Minute", Metrics=["GroupMaxSize", "GroupMinSize"])
    enable(AutoScalingGroupName="g", Granularity="1Minute", Metrics=["GroupInServiceInstances"])
    assert shown() == ["GroupMinSize", "GroupMaxSize", "GroupInServiceInstances"]
    disable(AutoScalingGroupName="g", Metrics=["GroupMaxSize"])
    assert shown() == ["GroupMinSize", "GroupInServiceInstances"]
    disable(AutoScalingGroupName="g")
    assert shown() == []
    enable(AutoScalingGroupName="g", Granularity="1Minute")
    assert len(shown()) == 20


def test_a_metric_or_a_granularity_that_does_not_exist_is_refused(fleet: Any):
    fleet.group()
    enable = fleet.asg.enable_metrics_collection
    for wrong in ({"Granularity": "5Minutes"}, {"Granularity": "1Minute", "Metrics": ["GroupHappyInstances"]}):
        assert fleet.refusal(enable, AutoScalingGroupName="g", **wrong)[0] == "ValidationError"


def test_the_maximum_lifetime_is_shown_and_removed_with_zero(fleet: Any):
    fleet.group(MaxInstanceLifetime=86400)
    update = fleet.asg.update_auto_scaling_group
    update(AutoScalingGroupName="g", MinSize=0)
    assert fleet.described()["MaxInstanceLifetime"] == 86400
    update(AutoScalingGroupName="g", MaxInstanceLifetime=0)
    assert "MaxInstanceLifetime" not in fleet.described()


@pytest.mark.parametrize("seconds", [3600, 31536001])
def test_a_lifetime_of_less_than_a_day_or_more_than_a_year_is_refused(fleet: Any, seconds: int):
    assert fleet.refusal(fleet.group, MaxInstanceLifetime=seconds)[0] == "ValidationError"
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
