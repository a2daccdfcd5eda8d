"""Groups, hooks, policies, schedules of EC2 Auto Scaling."""

import datetime
import itertools
from collections.abc import Iterator

from infra.policies.resource import Resource, Stack, known, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

GROUP, HOOK = "aws:autoscaling/group:Group", "aws:autoscaling/lifecycleHook:LifecycleHook"
POLICY, SCHEDULE = "aws:autoscaling/policy:Policy", "aws:autoscaling/schedule:Schedule"
TEMPLATE, QUEUE = "aws:ec2/launchTemplate:LaunchTemplate", "aws:sqs/queue:Queue"

API = "https://docs.aws.amazon.com/autoscaling/ec2/APIReference/"
GUIDE = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/"
DAY = 86400
PROCESSES = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
]
TERMINATION = [
    "Default",
    "AllocationStrategy",
    "ClosestToNextInstanceHour",
    "NewestInstance",
    "OldestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
]
DISTRIBUTION = "mixedInstancesPolicy.instancesDistribution"
OVERRIDES = "mixedInstancesPolicy.launchTemplate.overrides"
TRACKING = "targetTrackingConfiguration"
METRICS = f"{TRACKING}.customizedMetricSpecification"

LIMITS = [
    between(GROUP, "maxInstanceLifetime", DAY, 365 * DAY, f"{GUIDE}asg-max-instance-lifetime.html", or_zero=True),
    between(GROUP, "minSize", 0, 100_000, f"{API}API_CreateAutoScalingGroup.html"),
    between(GROUP, "healthCheckGracePeriod", 0, 2**31 - 1, f"{API}API_CreateAutoScalingGroup.html"),
    between(GROUP, "defaultCooldown", 0, 2**31 - 1, f"{API}API_CreateAutoScalingGroup.html"),
    between(
        GROUP, f"{DISTRIBUTION}.onDemandPercentageAboveBaseCapacity", 0, 100, f"{API}API_InstancesDistribution.html"
    ),
    between(GROUP, f"{DISTRIBUTION}.onDemandBaseCapacity", 0, 100_000, f"{API}API_InstancesDistribution.html"),
    between(GROUP, f"{DISTRIBUTION}.spotInstancePools", 1, 20, f"{API}API_InstancesDistribution.html", or_zero=True),
    among(
        GROUP,
        f"{DISTRIBUTION}.spotAllocationStrategy",
        ["lowest-price", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized"],
        f"{API}API_InstancesDistribution.html",
    ),
    among(
        GROUP,
        f"{DISTRIBUTION}.onDemandAllocationStrategy",
        ["lowest-price", "prioritized"],
        f"{API}API_InstancesDistribution.html",
    ),
    among(GROUP, "healthCheckType", ["EC2", "ELB", "EBS", "VPC_LATTICE"], f"{API}API_CreateAutoScalingGroup.html"),
    among(GROUP, "suspendedProcesses[]", PROCESSES, f"{API}API_SuspendProcesses.html"),
    among(GROUP, "metricsGranularity", ["1Minute"], f"{API}API_EnableMetricsCollection.html"),
    between(GROUP, "instanceRefresh.preferences.minHealthyPercentage", 0, 100, f"{API}API_RefreshPreferences.html"),
    between(GROUP, "instanceRefresh.preferences.maxHealthyPercentage", 100, 200, f"{API}API_RefreshPreferences.html"),
    between(GROUP, "instanceRefresh.preferences.checkpointDelay", 0, 2 * DAY, f"{API}API_RefreshPreferences.html"),
    between(HOOK, "heartbeatTimeout", 30, 7200, f"{API}API_LifecycleHook.html"),
    between(GROUP, "initialLifecycleHooks[].heartbeatTimeout", 30, 7200, f"{API}API_LifecycleHook.html"),
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


@rule(GROUP, source=f"{API}API_CreateAutoScalingGroup.html")
def group_bounds(group: Resource) -> Iterator[str]:
    """minSize <= desiredCapacity <= maxSize."""
    least, most = number(group.get("minSize")), number(group.get("maxSize"))
    wanted = number(group.get("desiredCapacity"))
    if least is not None and most is not None and least > most:
        yield f"minSize is {least:g}; must be at most maxSize, which is {most:g}"
    if wanted is not None and most is not None and wanted > most:
        yield f"desiredCapacity is {wanted:g}; must be at most maxSize, which is {most:g}"
    if wanted is not None and least is not None and wanted < least:
        yield f"desiredCapacity is {wanted:g}; must be at least minSize, which is {least:g}"


@rule(GROUP, source=f"{API}API_CreateAutoScalingGroup.html")
def group_template(group: Resource) -> Iterator[str]:
    """One launch template, launch configuration or mixed policy."""
    yield from exactly_one(group, ["launchTemplate", "launchConfiguration", "mixedInstancesPolicy"])


@rule(GROUP, source=f"{API}API_CreateAutoScalingGroup.html")
def group_place(group: Resource) -> Iterator[str]:
    """Subnets, or zones of a default VPC."""
    if not group.has("vpcZoneIdentifiers") and not group.has("availabilityZones"):
        yield "none of vpcZoneIdentifiers or availabilityZones given; name the subnets of the group"


@rule(GROUP, source=f"{API}API_LaunchTemplateSpecification.html")
def template_by_id_or_name(group: Resource) -> Iterator[str]:
    """A launch template is named once: by its id or by its name."""
    for block, name_of_id in (
        ("launchTemplate", "id"),
        ("mixedInstancesPolicy.launchTemplate.launchTemplateSpecification", "launchTemplateId"),
    ):
        name = "name" if name_of_id == "id" else "launchTemplateName"
        if group.has(block):
            yield from exactly_one(group, [f"{block}.{name_of_id}", f"{block}.{name}"])


@rule(GROUP, source=f"{GUIDE}ec2-auto-scaling-termination-policies.html")
def termination_policies(group: Resource) -> Iterator[str]:
    """One of AWS's policies, or the ARN of a Lambda function, which comes first."""
    for place, value in group.known("terminationPolicies[]"):
        if value not in TERMINATION and not str(value).startswith("arn:"):
            yield f"{place} is {value!r}; must be one of {', '.join(TERMINATION)}, or a function's ARN"


@rule(GROUP, source=f"{API}API_LaunchTemplate.html")
def mixed_overrides(group: Resource) -> Iterator[str]:
    """At most 40, no type twice, each by type or by requirements."""
    given = list(group.known(f"{OVERRIDES}[]"))
    if len(given) > 40:
        yield f"{OVERRIDES} has {len(given)} members; must be at most 40"
    types = [value for _, value in group.known(f"{OVERRIDES}[].instanceType")]
    for twice in sorted({each for each in types if types.count(each) > 1}):
        yield f"{OVERRIDES} names {twice} twice; must be different types"
    for place, value in given:
        if isinstance(value, dict) and value.get("instanceType") and value.get("instanceRequirements"):
            yield f"{place} has instanceType and instanceRequirements; give exactly one"
    weighted = [value for _, value in given if isinstance(value, dict) and value.get("weightedCapacity")]
    if weighted and len(weighted) != len(given):
        yield f"{OVERRIDES}: {len(weighted)} of {len(given)} have weightedCapacity; give it to all or to none"
    for place, value in group.known(f"{OVERRIDES}[].weightedCapacity"):
        if (weight := number(value)) is not None and not 1 <= weight <= 999:
            yield f"{place} is {value}; must be 1 to 999"


@rule(GROUP, source=f"{API}API_InstancesDistribution.html")
def spot_pools(group: Resource) -> Iterator[str]:
    """A number of spot pools belongs to lowest-price alone."""
    strategy = group.get(f"{DISTRIBUTION}.spotAllocationStrategy", "lowest-price")
    if number(group.get(f"{DISTRIBUTION}.spotInstancePools")):
        yield from only_with(
            group,
            f"{DISTRIBUTION}.spotInstancePools",
            strategy == "lowest-price",
            f"with spotAllocationStrategy lowest-price, which is {strategy}",
        )


@rule(GROUP, source="https://github.com/kubernetes/kops/issues/17799")
def warm_pool_with_spot(group: Resource, stack: Stack) -> Iterator[str]:
    """No warm pool where spot may be bought, nor with weights."""
    if not group.has("warmPool"):
        return
    if group.has("mixedInstancesPolicy"):
        share = number(group.get(f"{DISTRIBUTION}.onDemandPercentageAboveBaseCapacity", 100))
        if share is not None and share < 100:
            yield (
                f"warmPool with {DISTRIBUTION}.onDemandPercentageAboveBaseCapacity {share:g}; must be 100: AWS has no "
                "warm pool for spot, so put it on a group of on-demand instances"
            )
    if group.has(f"{OVERRIDES}.weightedCapacity"):
        yield f"warmPool with weights in {OVERRIDES}; take the weights out, or the pool"
    for template in _templates(group, stack):
        if template.get("instanceMarketOptions.marketType") == "spot":
            yield f"warmPool, but template {template.name} asks for spot; AWS has no warm pool for spot"


@rule(GROUP, source=f"{API}API_PutWarmPool.html")
def warm_pool_bounds(group: Resource) -> Iterator[str]:
    """The pool's least is not above what the group may prepare; -1 stands for the group's maximum."""
    least, most = (number(group.get(f"warmPool.{each}")) for each in ("minSize", "maxGroupPreparedCapacity"))
    if most is not None and most < -1:
        yield f"warmPool.maxGroupPreparedCapacity is {most:g}; must be at least -1"
    if least is not None and most is not None and -1 < most < least:
        yield f"warmPool.minSize is {least:g}; must be at most maxGroupPreparedCapacity, which is {most:g}"


@rule(GROUP, source=f"{GUIDE}warm-pool-instance-lifecycle.html")
def hibernated_pool(group: Resource, stack: Stack) -> Iterator[str]:
    """A hibernated pool needs an encrypted root disk; no GPU type hibernates."""
    if group.get("warmPool.poolState") != "Hibernated":
        return
    for template in _templates(group, stack):
        if template.get("hibernationOptions.configured") is not True:
            yield f"warmPool.poolState is Hibernated; set hibernationOptions.configured in template {template.name}"
        if not any(value in (True, "true") for _, value in template.known("blockDeviceMappings[].ebs.encrypted")):
            yield f"warmPool.poolState is Hibernated; the root disk of template {template.name} must be encrypted"
    names = [value for _, value in group.known(f"{OVERRIDES}[].instanceType")]
    names += [each.get("instanceType") for each in _templates(group, stack)]
    for name in sorted({str(each) for each in names if str(each).split(".")[0].startswith(("g", "p"))}):
        yield f"warmPool.poolState is Hibernated, which {name} does not support; take Stopped"


@rule(GROUP, source=f"{API}API_RefreshPreferences.html")
def refresh_range(group: Resource) -> Iterator[str]:
    """A maximum needs a minimum, and they lie at most 100 apart."""
    base = "instanceRefresh.preferences"
    least, most = (number(group.get(f"{base}.{each}HealthyPercentage")) for each in ("min", "max"))
    if most is not None and least is None and not group.has(f"{base}.minHealthyPercentage"):
        yield f"{base}.maxHealthyPercentage is {most:g} without minHealthyPercentage; give both"
    if least is not None and most is not None and most - least > 100:
        yield f"{base}: {least:g} to {most:g} percent healthy; may lie 100 apart at most"


@rule(GROUP, source=f"{API}API_RefreshPreferences.html")
def refresh_checkpoints(group: Resource) -> Iterator[str]:
    """Unique, ascending, 1 to 100."""
    base = "instanceRefresh.preferences.checkpointPercentages"
    given = [found for _, value in group.known(f"{base}[]") if (found := number(value)) is not None]
    if given and (given != sorted(set(given)) or not all(1 <= each <= 100 for each in given)):
        yield f"{base} is {[int(each) for each in given]}; must ascend from 1 to 100, each once"


@rule(GROUP, source=f"{GUIDE}instance-refresh-rollback.html")
def refresh_rollback(group: Resource) -> Iterator[str]:
    """A rollback needs a numbered version of the template."""
    if group.get("instanceRefresh.preferences.autoRollback") is not True:
        return
    mixed = "mixedInstancesPolicy.launchTemplate.launchTemplateSpecification.version"
    for path in ("launchTemplate.version", mixed):
        for place, value in group.known(path):
            if str(value).startswith("$"):
                yield f"{place} is {value} with autoRollback; must be a number: there is nothing to roll back to"


@rule(GROUP, source=f"{API}API_InstanceMaintenancePolicy.html")
def maintenance_policy(group: Resource) -> Iterator[str]:
    """0 to 100 and 100 to 200 percent, at most 100 apart; -1 and -1 take the policy out."""
    base = "instanceMaintenancePolicy"
    least, most = (number(group.get(f"{base}.{each}HealthyPercentage")) for each in ("min", "max"))
    if least is None or most is None or (least, most) == (-1, -1):
        return
    if not (0 <= least <= 100 <= most <= 200 and most - least <= 100):
        yield f"{base} is {least:g} to {most:g}; must be 0 to 100 and 100 to 200, at most 100 apart"


@rule(GROUP, source=f"{GUIDE}lifecycle-hooks.html")
def hooks_in_a_group(group: Resource) -> Iterator[str]:
    """No name twice; a target and its role together."""
    names = [value for _, value in group.known("initialLifecycleHooks[].name")]
    for twice in sorted({each for each in names if names.count(each) > 1}):
        yield f"initialLifecycleHooks has {twice} twice; give each hook a name of its own"
    for place, hook in group.known("initialLifecycleHooks[]"):
        if isinstance(hook, dict) and bool(hook.get("notificationTargetArn")) != bool(hook.get("roleArn")):
            yield f"{place} has one of notificationTargetArn and roleArn; give both or none"


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


@rule(GROUP, source=f"{GUIDE}launch-template-spot-instances.html")
def mixed_policy_template(group: Resource, stack: Stack) -> Iterator[str]:
    """The template of a mixed group asks for no market: the group does."""
    if group.has("mixedInstancesPolicy"):
        for template in stack.behind(group, "mixedInstancesPolicy", TEMPLATE):
            if template.has("instanceMarketOptions"):
                yield (
                    f"template {template.name} of a mixedInstancesPolicy has instanceMarketOptions; take them out, and "
                    f"say what is bought in {DISTRIBUTION}"
                )


def _time(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None


def _templates(group: Resource, stack: Stack) -> list[Resource]:
    return [each for prop in ("launchTemplate", "mixedInstancesPolicy") for each in stack.behind(group, prop, TEMPLATE)]
