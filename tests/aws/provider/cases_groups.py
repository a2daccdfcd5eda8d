"""Cases of Auto Scaling: groups, their hooks and policies."""

from localcloud.provider.values import Properties
from tests.aws.provider.case import GONE, Case, fixed
from tests.aws.provider.world import World


def group(world: World) -> Properties:
    template = {"launchTemplateId": world.launch_template(), "version": "$Latest"}
    overrides = [{"instanceType": "g4dn.xlarge"}, {"instanceType": "g5.xlarge"}]
    spot = {"onDemandPercentageAboveBaseCapacity": 0, "spotAllocationStrategy": "price-capacity-optimized"}
    policy = {"launchTemplate": {"launchTemplateSpecification": template, "overrides": overrides}}
    return {
        "minSize": 0,
        "maxSize": 0,
        "vpcZoneIdentifiers": world.subnets()[::-1],
        "mixedInstancesPolicy": {**policy, "instancesDistribution": spot},
        "targetGroupArns": [world.target_group()],
        "tags": [{"key": "role", "value": "node", "propagateAtLaunch": True}],
        "healthCheckGracePeriod": 60,
        "enabledMetrics": ["GroupInServiceInstances", "GroupDesiredCapacity"],
        "metricsGranularity": "1Minute",
        "maxInstanceLifetime": 604800,
        "instanceRefresh": {"strategy": "Rolling", "preferences": {"minHealthyPercentage": 50, "skipMatching": True}},
    }


def other_group(world: World, inputs: Properties) -> Properties:
    return {
        "maxSize": 4,
        "targetGroupArns": [world.target_group()],
        "tags": [{"key": "role", "value": "gateway", "propagateAtLaunch": False}],
        "healthCheckGracePeriod": 90,
        "enabledMetrics": ["GroupInServiceInstances", "GroupPendingInstances"],
        "maxInstanceLifetime": GONE,
        "instanceRefresh": {"strategy": "Rolling", "triggers": ["tag"]},
        "suspendedProcesses": ["AZRebalance"],
        "protectFromScaleIn": True,
    }


CASES: dict[str, Case] = {
    "aws:autoscaling/group:Group": Case(group, other_group),
    "aws:autoscaling/lifecycleHook:LifecycleHook": Case(
        lambda world: {
            "autoscalingGroupName": world.group(),
            "lifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "heartbeatTimeout": 600,
            "defaultResult": "ABANDON",
        },
        fixed(heartbeatTimeout=900, defaultResult="CONTINUE"),
    ),
    "aws:autoscaling/policy:Policy": Case(
        lambda world: {
            "autoscalingGroupName": world.group(),
            "policyType": "StepScaling",
            "adjustmentType": "ChangeInCapacity",
            "stepAdjustments": [
                {"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "2.5", "scalingAdjustment": 1},
                {"metricIntervalLowerBound": "2.5", "scalingAdjustment": 2},
            ],
        },
        fixed(stepAdjustments=[{"metricIntervalLowerBound": "0", "scalingAdjustment": 3}]),
    ),
}
