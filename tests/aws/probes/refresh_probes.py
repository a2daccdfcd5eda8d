"""Instance refreshes, warm pools and published metrics as on AWS. Each probe fails where moto does not do it."""

from botocore.exceptions import ClientError
from group_setup import GROUP, TYPE, Group, make_group
from world import world

LAUNCH_FIRST = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200, "InstanceWarmup": 0}


def an_instance_refresh_replaces_instances() -> None:
    group = make_group()
    old = {each["InstanceId"] for each in group.members()}
    _start(group)
    world.settle()
    world.settle()
    assert not old & {each["InstanceId"] for each in group.members()}


def an_instance_refresh_is_described() -> None:
    group = make_group()
    id_ = _start(group)
    (found,) = group.autoscaling.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"]
    assert found["InstanceRefreshId"] == id_


def an_instance_refresh_can_be_cancelled() -> None:
    group = make_group()
    world.settle()
    _start(group)
    group.autoscaling.cancel_instance_refresh(AutoScalingGroupName=GROUP)


def a_refresh_that_is_not_active_cannot_be_rolled_back() -> None:
    client = make_group().autoscaling
    try:
        client.rollback_instance_refresh(AutoScalingGroupName=GROUP)
    except client.exceptions.ActiveInstanceRefreshNotFoundFault:
        return
    raise AssertionError("accepted")


def a_group_that_buys_spot_has_no_warm_pool() -> None:
    spot = {"OnDemandPercentageAboveBaseCapacity": 0}
    group = make_group(mixed={"Overrides": [{"InstanceType": TYPE}], "InstancesDistribution": spot})
    try:
        group.autoscaling.put_warm_pool(AutoScalingGroupName=GROUP)
    except ClientError:
        return
    raise AssertionError("accepted")


def a_warm_pool_is_changed_in_parts() -> None:
    group = make_group()
    group.autoscaling.put_warm_pool(AutoScalingGroupName=GROUP, PoolState="Running", MinSize=1)
    group.autoscaling.put_warm_pool(AutoScalingGroupName=GROUP, MinSize=2)
    found = group.autoscaling.describe_warm_pool(AutoScalingGroupName=GROUP)["WarmPoolConfiguration"]
    assert (found["PoolState"], found["MinSize"]) == ("Running", 2)


def metrics_of_a_group_are_turned_off() -> None:
    group = make_group()
    group.autoscaling.enable_metrics_collection(AutoScalingGroupName=GROUP, Granularity="1Minute")
    assert group.describe()["EnabledMetrics"]
    group.autoscaling.disable_metrics_collection(AutoScalingGroupName=GROUP)
    assert not group.describe().get("EnabledMetrics")


def the_maximum_lifetime_is_kept() -> None:
    assert make_group(MaxInstanceLifetime=86400).describe()["MaxInstanceLifetime"] == 86400


def _start(group: Group) -> str:
    reply = group.autoscaling.start_instance_refresh(AutoScalingGroupName=GROUP, Preferences=LAUNCH_FIRST)
    return str(reply["InstanceRefreshId"])


PROBES = [
    an_instance_refresh_replaces_instances,
    an_instance_refresh_is_described,
    an_instance_refresh_can_be_cancelled,
    a_refresh_that_is_not_active_cannot_be_rolled_back,
    a_group_that_buys_spot_has_no_warm_pool,
    a_warm_pool_is_changed_in_parts,
    metrics_of_a_group_are_turned_off,
    the_maximum_lifetime_is_kept,
]
