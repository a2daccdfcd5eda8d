"""Auto Scaling groups, hooks and policies. The provider looks at no size of a group, nor at its spot strategy."""

from localcloud.provider.upstream.checks import Check, Conflict, ExactlyOne, Value
from localcloud.provider.upstream.forms import (
    DURATION,
    NUMBER_TEXT,
    WHOLE_NUMBER_TEXT,
    at_least,
    between,
    length,
    matching,
    one_of,
)

_DISTRIBUTION = "mixedInstancesPolicy.instancesDistribution"
_PREFERENCES = "instanceRefresh.preferences"
TEMPLATE_ID = matching("lt-[0-9a-z]{1,252}", "lt- and letters and digits", ("lt-0a1b",), ("template", "lt-"))
TEMPLATE_NAME = matching(
    r"[0-9A-Za-z()./_\-]{3,125}",
    "3 to 125 letters, digits and ( ) . / _ -",
    ("abc", "t" * 125),
    ("ab", "a node", "t" * 126),
)

GROUP: tuple[Check, ...] = (
    ExactlyOne(("launchConfiguration", "launchTemplate", "mixedInstancesPolicy")),
    Conflict(("launchTemplate.id", "launchTemplate.name")),
    Value("name", length(0, 255)),
    Value("launchTemplate.id", TEMPLATE_ID),
    Value("launchTemplate.name", TEMPLATE_NAME),
    Value("launchTemplate.version", length(1, 255)),
    Value(f"{_DISTRIBUTION}.onDemandBaseCapacity", at_least(0)),
    Value(f"{_DISTRIBUTION}.onDemandPercentageAboveBaseCapacity", between(0, 100)),
    Value(f"{_DISTRIBUTION}.spotInstancePools", at_least(0)),
    Value(
        "mixedInstancesPolicy.launchTemplate.overrides.weightedCapacity",
        matching("[1-9][0-9]{0,2}", "a whole number from 1 to 999 as text", ("1", "999"), ("0", "1000", "many")),
    ),
    Value("instanceRefresh.strategy", one_of("Rolling", "ReplaceRootVolume")),
    Value(f"{_PREFERENCES}.minHealthyPercentage", between(0, 100)),
    Value(f"{_PREFERENCES}.maxHealthyPercentage", between(100, 200)),
    Value(f"{_PREFERENCES}.instanceWarmup", WHOLE_NUMBER_TEXT),
    Value(f"{_PREFERENCES}.scaleInProtectedInstances", one_of("Refresh", "Ignore", "Wait")),
    Value(f"{_PREFERENCES}.standbyInstances", one_of("Terminate", "Ignore", "Wait")),
    Value("warmPool.poolState", one_of("Stopped", "Running", "Hibernated")),
    Value("warmPool.minSize", at_least(0)),
    Value("warmPool.maxGroupPreparedCapacity", at_least(-1)),
    Value("waitForCapacityTimeout", DURATION),
)
HOOK: tuple[Check, ...] = (
    Value("name", length(1, 255)),
    Value("heartbeatTimeout", between(30, 7200)),
    Value("defaultResult", one_of("ABANDON", "CONTINUE")),
    Value(
        "lifecycleTransition",
        one_of("autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"),
    ),
)
# The provider looks neither at the type of an adjustment nor at how metrics are aggregated.
POLICY: tuple[Check, ...] = (
    Value("policyType", one_of("SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling")),
    Value("stepAdjustments.metricIntervalLowerBound", NUMBER_TEXT),
    Value("stepAdjustments.metricIntervalUpperBound", NUMBER_TEXT),
)
TABLE = {
    "aws:autoscaling/group:Group": ("autoscaling/group.go", GROUP),
    "aws:autoscaling/lifecycleHook:LifecycleHook": ("autoscaling/lifecycle_hook.go", HOOK),
    "aws:autoscaling/policy:Policy": ("autoscaling/policy.go", POLICY),
}
