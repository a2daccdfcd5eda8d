"""Hooks, scaling policies and schedules of Auto Scaling groups."""

from typing import Any

from infra.policies.aws_refuses.autoscaling import HOOK, POLICY, QUEUE, SCHEDULE
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import Case, Props


def tracking(**given: Any) -> Props:
    return {"policyType": "TargetTrackingScaling", "targetTrackingConfiguration": given}


def metrics(*members: Props) -> Props:
    return tracking(targetValue=5, customizedMetricSpecification={"metrics": list(members)})


def stat(id_: str, period: int = 60, **more: Any) -> Props:
    return {"id": id_, "metricStat": {"period": period, "stat": "Sum"}, **more}


CASES = [
    Case("hook-target", HOOK, {"notificationTargetArn": UNKNOWN}, {"notificationTargetArn": "a", "roleArn": "b"}),
    Case(
        "hook-target",
        HOOK,
        {"notificationTargetArn": UNKNOWN, "roleArn": UNKNOWN},
        {"notificationTargetArn": UNKNOWN, "roleArn": UNKNOWN},
        [Resource(QUEUE, "events", {"fifoQueue": True})],
        {"notificationTargetArn": ["events"]},
        [Resource(QUEUE, "events", {})],
    ),
    Case(
        "policy-kind",
        POLICY,
        {"policyType": "StepScaling", "adjustmentType": "ChangeInCapacity", "scalingAdjustment": 1},
        {
            "policyType": "StepScaling",
            "adjustmentType": "ChangeInCapacity",
            "stepAdjustments": [{"scalingAdjustment": 1}],
        },
    ),
    Case(
        "policy-kind",
        POLICY,
        {"policyType": "TargetTrackingScaling"},
        tracking(targetValue=5, predefinedMetricSpecification={}),
    ),
    Case(
        "least-step",
        POLICY,
        {"adjustmentType": "ChangeInCapacity", "minAdjustmentMagnitude": 2},
        {"adjustmentType": "PercentChangeInCapacity", "minAdjustmentMagnitude": 2},
    ),
    Case(
        "policy-steps",
        POLICY,
        {
            "stepAdjustments": [
                {"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "10"},
                {"metricIntervalLowerBound": "15"},
            ]
        },
        {
            "stepAdjustments": [
                {"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "10"},
                {"metricIntervalLowerBound": "10"},
            ]
        },
    ),
    Case(
        "policy-target",
        POLICY,
        tracking(targetValue=0, predefinedMetricSpecification={"predefinedMetricType": "ASGAverageCPUUtilization"}),
        tracking(targetValue=0.1, predefinedMetricSpecification={"predefinedMetricType": "ASGAverageCPUUtilization"}),
    ),
    Case(
        "policy-target",
        POLICY,
        tracking(targetValue=9, predefinedMetricSpecification={"predefinedMetricType": "ALBRequestCountPerTarget"}),
        tracking(
            targetValue=9,
            predefinedMetricSpecification={
                "predefinedMetricType": "ALBRequestCountPerTarget",
                "resourceLabel": UNKNOWN,
            },
        ),
    ),
    Case(
        "metric-math",
        POLICY,
        metrics(stat("m1"), {"id": "e1", "expression": "m1 / 2"}),
        metrics(stat("m1", returnData=False), {"id": "e1", "expression": "m1 / 2"}),
    ),
    Case(
        "metric-math",
        POLICY,
        metrics(stat("m1", 30, returnData=False), stat("m2", 60)),
        metrics(stat("m1", 60, returnData=False), stat("m2", 60)),
    ),
    Case("scheduled-action", SCHEDULE, {"recurrence": "0 9 * * *"}, {"recurrence": "0 9 * * *", "minSize": 1}),
    Case(
        "scheduled-action",
        SCHEDULE,
        {"minSize": 1, "startTime": "2030-01-02T00:00:00Z", "endTime": "2030-01-01T00:00:00Z"},
        {"minSize": 1, "startTime": "2030-01-01T00:00:00Z", "endTime": "2030-01-02T00:00:00Z"},
    ),
]
