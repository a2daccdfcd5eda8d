"""Hooks, scaling policies and schedules of Auto Scaling groups."""

import datetime
import itertools
from collections.abc import Iterator

from infra.policies.aws_refuses.autoscaling import API, GUIDE, HOOK, POLICY, QUEUE, SCHEDULE
from infra.policies.resource import Resource, Stack, known, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

TRACKING = "targetTrackingConfiguration"
METRICS = f"{TRACKING}.customizedMetricSpecification"

LIMITS = [
    between(HOOK, "heartbeatTimeout", 30, 7200, f"{API}API_LifecycleHook.html"),
    among(HOOK, "defaultResult", ["CONTINUE", "ABANDON"], f"{API}API_LifecycleHook.html"),
    among(
        HOOK,
        "lifecycleTransition",
        ["autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"],
        f"{API}API_LifecycleHook.html",
    ),
    among(
        POLICY,
        "adjustmentType",
        ["ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"],
        f"{API}API_PutScalingPolicy.html",
    ),
    among(
        POLICY,
        "policyType",
        ["SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling"],
        f"{API}API_PutScalingPolicy.html",
    ),
    among(POLICY, "metricAggregationType", ["Minimum", "Maximum", "Average"], f"{API}API_PutScalingPolicy.html"),
    among(POLICY, f"{METRICS}.metrics[].metricStat.period", [10, 30, 60], f"{API}API_TargetTrackingMetricStat.html"),
    among(POLICY, f"{METRICS}.period", [10, 30, 60], f"{API}API_CustomizedMetricSpecification.html"),
]


@rule(HOOK, source=f"{API}API_PutLifecycleHook.html")
def hook_target(hook: Resource, stack: Stack) -> Iterator[str]:
    """A target and its role together; no FIFO queue."""
    given = [path for path in ("notificationTargetArn", "roleArn") if hook.has(path)]
    if len(given) == 1:
        yield f"{given[0]} alone of notificationTargetArn and roleArn; give both or none"
    target = hook.get("notificationTargetArn")
    fifo = known(target) and str(target).endswith(".fifo")
    queues = stack.behind(hook, "notificationTargetArn", QUEUE)
    if fifo or any(each.get("fifoQueue") is True for each in queues):
        yield "notificationTargetArn is a FIFO queue; must be a standard queue or topic"


@rule(POLICY, source=f"{API}API_PutScalingPolicy.html")
def policy_kind(policy: Resource) -> Iterator[str]:
    """Each kind of policy has properties of its own."""
    kind = policy.get("policyType", "SimpleScaling")
    needs = {
        "SimpleScaling": ["scalingAdjustment", "adjustmentType"],
        "StepScaling": ["stepAdjustments", "adjustmentType"],
        "TargetTrackingScaling": [TRACKING],
        "PredictiveScaling": ["predictiveScalingConfiguration"],
    }
    belongs = {
        "scalingAdjustment": ["SimpleScaling"],
        "cooldown": ["SimpleScaling"],
        "stepAdjustments": ["StepScaling"],
        "metricAggregationType": ["StepScaling"],
        "estimatedInstanceWarmup": ["StepScaling", "TargetTrackingScaling"],
        "adjustmentType": ["SimpleScaling", "StepScaling"],
        TRACKING: ["TargetTrackingScaling"],
        "predictiveScalingConfiguration": ["PredictiveScaling"],
    }
    for path in needs.get(kind, []):
        if not policy.has(path):
            yield f"policyType is {kind} without {path}; give it"
    for path, kinds in belongs.items():
        if kind in needs and not (path == "metricAggregationType" and kind == "SimpleScaling"):
            yield from only_with(policy, path, kind in kinds, f"for policyType {' and '.join(kinds)}, not {kind}")


@rule(POLICY, source=f"{API}API_PutScalingPolicy.html")
def least_step(policy: Resource) -> Iterator[str]:
    """A least step belongs to percentages."""
    kind = policy.get("adjustmentType")
    holds = kind == "PercentChangeInCapacity" or not policy.has("adjustmentType")
    if kind is not None:
        yield from only_with(policy, "minAdjustmentMagnitude", holds, "with adjustmentType PercentChangeInCapacity")


@rule(POLICY, source=f"{GUIDE}as-scaling-simple-step.html")
def policy_steps(policy: Resource) -> Iterator[str]:
    """Intervals meet without gap or overlap; one may be open below, one above, and each has a width."""
    given = [each for each in policy.known("stepAdjustments[]") if isinstance(each[1], dict)]
    intervals = []
    for place, step in given:
        low, high = (number(step.get(f"metricInterval{each}Bound")) for each in ("Lower", "Upper"))
        if low is None and high is None and len(given) > 1:
            yield f"{place} has no bound; only a single step may be open on both sides"
        if low is not None and high is not None and low >= high:
            yield f"{place} is {low:g} to {high:g}; the lower bound must be below the upper one"
        intervals.append((float("-inf") if low is None else low, float("inf") if high is None else high))
    for before, after in itertools.pairwise(sorted(intervals)):
        if before[1] != after[0]:
            yield f"stepAdjustments: {before[1]:g} is followed by {after[0]:g}; steps must meet"


@rule(POLICY, source=f"{API}API_TargetTrackingConfiguration.html")
def policy_target(policy: Resource) -> Iterator[str]:
    """One metric, predefined or customized, and a target above zero."""
    if not policy.has(TRACKING):
        return
    yield from exactly_one(policy, [f"{TRACKING}.predefinedMetricSpecification", METRICS])
    value = number(policy.get(f"{TRACKING}.targetValue"))
    if value is not None and value <= 0:
        yield f"{TRACKING}.targetValue is {value:g}; must be above 0"
    label = f"{TRACKING}.predefinedMetricSpecification.resourceLabel"
    kind = policy.get(f"{TRACKING}.predefinedMetricSpecification.predefinedMetricType")
    if kind == "ALBRequestCountPerTarget" and not policy.has(label):
        yield f"{kind} without {label}; name the load balancer and the target group"
    elif kind is not None and kind != "ALBRequestCountPerTarget":
        yield from only_with(policy, label, False, f"for ALBRequestCountPerTarget, not {kind}")


@rule(POLICY, source=f"{GUIDE}ec2-auto-scaling-target-tracking-metric-math.html")
def metric_math(policy: Resource) -> Iterator[str]:
    """Exactly one of the metrics is the result; all periods are the same; ids are unique."""
    metrics = [value for _, value in policy.known(f"{METRICS}.metrics[]") if isinstance(value, dict)]
    if not metrics:
        return
    results = [each for each in metrics if each.get("returnData", True) is True]
    if len(results) != 1:
        yield f"{METRICS}.metrics: {len(results)} with returnData; exactly one is the result, false for the others"
    periods = {value for _, value in policy.known(f"{METRICS}.metrics[].metricStat.period")}
    if len(periods) > 1:
        yield f"{METRICS}.metrics have periods {', '.join(f'{each:g}' for each in sorted(periods))}; must be equal"
    ids = [each.get("id") for each in metrics]
    if len(set(map(str, ids))) != len(ids):
        yield f"{METRICS}.metrics: an id stands twice; give each its own"
    for each in metrics:
        if bool(each.get("expression")) == bool(each.get("metricStat")):
            yield f"metric {each.get('id')}: expression or metricStat; give exactly one"


@rule(SCHEDULE, source=f"{API}API_PutScheduledUpdateGroupAction.html")
def scheduled_action(action: Resource) -> Iterator[str]:
    """Something to change, in the right order, at a time that comes; -1 leaves a size alone."""
    sizes = [number(action.get(each)) for each in ("minSize", "desiredCapacity", "maxSize")]
    given = [each for each in sizes if each is not None and each != -1]
    if not given and not any(action.has(each) for each in ("minSize", "desiredCapacity", "maxSize")):
        yield "none of minSize, maxSize or desiredCapacity given; give at least one"
    if given != sorted(given):
        yield f"minSize, desiredCapacity and maxSize are {', '.join(f'{each:g}' for each in given)}; must ascend"
    if not action.has("startTime") and not action.has("recurrence"):
        yield "none of startTime or recurrence given; say when"
    start, end = _time(action.get("startTime")), _time(action.get("endTime"))
    if start and end and start >= end:
        yield f"startTime is {action.get('startTime')}; must be before endTime, {action.get('endTime')}"
    recurrence = action.get("recurrence")
    if isinstance(recurrence, str) and len(recurrence.split()) != 5:
        yield f"recurrence is {shown(recurrence)}; must be a cron expression of five fields"


def _time(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
