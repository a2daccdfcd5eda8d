"""Auto Scaling groups."""

from typing import Any

from infra.policies.aws_refuses.autoscaling import GROUP, TEMPLATE
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import TYPE_AND_REQUIREMENTS, Case, Props, mixed


def overrides(*members: Props) -> Props:
    return {"mixedInstancesPolicy": {"launchTemplate": {"overrides": list(members)}}}


def preferences(**given: Any) -> Props:
    return {"instanceRefresh": {"strategy": "Rolling", "preferences": given}}


def spot_template(**more: Any) -> Resource:
    return Resource(TEMPLATE, "template", {"instanceMarketOptions": {"marketType": "spot"}, **more})


CASES = [
    Case("group-bounds", GROUP, {"minSize": 4, "maxSize": 3}, {"minSize": 3, "maxSize": 3}),
    Case(
        "group-bounds",
        GROUP,
        {"minSize": 0, "maxSize": 3, "desiredCapacity": 4},
        {"minSize": 0, "maxSize": 3, "desiredCapacity": UNKNOWN},
    ),
    Case("group-template", GROUP, {"launchTemplate": {"id": "lt-1"}, **mixed("c7i.large")}, mixed("c7i.large")),
    Case("group-template", GROUP, {"minSize": 0}, {"launchTemplate": {"id": UNKNOWN}}),
    Case("group-place", GROUP, {"maxSize": 1}, {"vpcZoneIdentifiers": [UNKNOWN]}),
    Case(
        "template-by-id-or-name",
        GROUP,
        {"launchTemplate": {"id": "lt-0a", "name": "node"}},
        {"launchTemplate": {"id": UNKNOWN, "version": "1"}},
    ),
    Case("termination-policies", GROUP, {"terminationPolicies": ["Oldest"]}, {"terminationPolicies": ["Default"]}),
    Case(
        "mixed-overrides",
        GROUP,
        overrides(*({"instanceType": f"c{n}.large"} for n in range(41))),
        overrides(*({"instanceType": f"c{n}.large"} for n in range(40))),
    ),
    Case("mixed-overrides", GROUP, mixed("c7i.large", "c7i.large"), mixed("c7i.large", "c7a.large")),
    Case("mixed-overrides", GROUP, overrides(TYPE_AND_REQUIREMENTS), overrides({"instanceType": "c7i.xlarge"})),
    Case(
        "mixed-overrides",
        GROUP,
        overrides({"instanceType": "c7i.large", "weightedCapacity": "1000"}),
        overrides({"instanceType": "c7i.large", "weightedCapacity": "999"}),
    ),
    Case(
        "spot-pools",
        GROUP,
        mixed("c7i.large", spotAllocationStrategy="capacity-optimized", spotInstancePools=2),
        mixed("c7i.large", spotAllocationStrategy="lowest-price", spotInstancePools=2),
    ),
    Case(
        "warm-pool-with-spot",
        GROUP,
        {"warmPool": {"poolState": "Stopped"}, **mixed("c7i.large", share=99)},
        {"warmPool": {"poolState": "Stopped"}, **mixed("c7i.large", share=100)},
    ),
    Case(
        "warm-pool-with-spot",
        GROUP,
        {"warmPool": {"poolState": "Stopped"}, "launchTemplate": {"id": UNKNOWN}},
        {"launchTemplate": {"id": UNKNOWN}},
        [spot_template()],
        {"launchTemplate": ["template"]},
    ),
    Case(
        "warm-pool-bounds",
        GROUP,
        {"warmPool": {"minSize": 3, "maxGroupPreparedCapacity": 2}},
        {"warmPool": {"minSize": 3, "maxGroupPreparedCapacity": -1}},
    ),
    Case(
        "hibernated-pool",
        GROUP,
        {"warmPool": {"poolState": "Hibernated"}, **mixed("g5.xlarge", share=100)},
        {"warmPool": {"poolState": "Stopped"}, **mixed("g5.xlarge", share=100)},
    ),
    Case(
        "refresh-range",
        GROUP,
        preferences(minHealthyPercentage=50, maxHealthyPercentage=151),
        preferences(minHealthyPercentage=50, maxHealthyPercentage=150),
    ),
    Case(
        "refresh-checkpoints",
        GROUP,
        preferences(checkpointPercentages=[50, 20]),
        preferences(checkpointPercentages=[20, 50, 100]),
    ),
    Case(
        "refresh-rollback",
        GROUP,
        {"launchTemplate": {"id": UNKNOWN, "version": "$Latest"}, **preferences(autoRollback=True)},
        {"launchTemplate": {"id": UNKNOWN, "version": UNKNOWN}, **preferences(autoRollback=True)},
    ),
    Case(
        "maintenance-policy",
        GROUP,
        {"instanceMaintenancePolicy": {"minHealthyPercentage": 90, "maxHealthyPercentage": 191}},
        {"instanceMaintenancePolicy": {"minHealthyPercentage": 90, "maxHealthyPercentage": 190}},
    ),
    Case(
        "hooks-in-a-group",
        GROUP,
        {"initialLifecycleHooks": [{"name": "warm", "roleArn": "arn:aws:iam::1:role/r"}]},
        {"initialLifecycleHooks": [{"name": "warm"}, {"name": "drained"}]},
    ),
    Case(
        "mixed-policy-template",
        GROUP,
        mixed("c7i.large"),
        mixed("c7i.large"),
        [spot_template()],
        {"mixedInstancesPolicy": ["template"]},
        [Resource(TEMPLATE, "template", {"instanceType": "c7i.large"})],
    ),
]
