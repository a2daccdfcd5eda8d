"""Auto Scaling groups: sizes, templates, what they buy, warm pools, refreshes."""

from collections.abc import Iterator

from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import among, between, exactly_one, only_with, rule

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
    between(GROUP, "initialLifecycleHooks[].heartbeatTimeout", 30, 7200, f"{API}API_LifecycleHook.html"),
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


def _templates(group: Resource, stack: Stack) -> list[Resource]:
    return [each for prop in ("launchTemplate", "mixedInstancesPolicy") for each in stack.behind(group, prop, TEMPLATE)]
