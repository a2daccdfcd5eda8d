"""Which alarms there are, and what each one means: values, without a call to AWS.

Every metric but the planner's own is one that AWS publishes by itself, so that an alarm can fire on the first day:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/aws-services-cloudwatch-metrics.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from inference_service import contract

Text = pulumi.Input[str]
MINUTE, QUARTER_HOUR, HOUR = 60, 900, 3600
STORM = 5  # notices in a quarter of an hour
FAILED_LAUNCHES = 3
SILENT_MINUTES = 5


@dataclass(frozen=True)
class Metric:
    """One CloudWatch metric; `id` is its name in an alarm's expression."""

    id: str
    namespace: str
    name: str
    dimensions: Mapping[str, Text]
    statistic: str = "Maximum"


@dataclass(frozen=True)
class Alarm:
    """Fires when `expression` over `metrics` exceeds `above` in each of `times` periods of `period_seconds`."""

    name: str
    description: str
    metrics: tuple[Metric, ...]
    expression: str
    period_seconds: int
    times: int
    above: float = 0
    missing_is_bad: bool = False


@dataclass(frozen=True)
class FleetNames:
    """What AWS calls the parts of one fleet."""

    model: str
    spot_group: Text
    on_demand_group: Text
    jobs_queue: Text
    dead_letters_queue: Text


def of_fleet(fleet: FleetNames, warm_up_budget_seconds: int) -> list[Alarm]:
    """The alarms of one model. `warm_up_budget_seconds` is the longest that a node may take to become warm."""
    both = {"s": fleet.spot_group, "o": fleet.on_demand_group}
    wanted = [of_group(f"d{key}", contract.METRIC_GROUP_DESIRED, group) for key, group in both.items()]
    ready = [of_group(f"r{key}", contract.METRIC_GROUP_IN_SERVICE, group) for key, group in both.items()]
    pending = [of_group(f"p{key}", contract.METRIC_GROUP_PENDING, group, "Minimum") for key, group in both.items()]
    return [
        Alarm(
            f"{fleet.model}-no-ready-node",
            "Nodes are wanted and none is warm. During a first start that is so until the model is loaded; else see "
            "`warmfleet status`.",
            (*wanted, *ready),
            "IF(FILL(ds,0)+FILL(do,0) > 0 AND FILL(rs,0)+FILL(ro,0) < 1, 1, 0)",
            MINUTE,
            10,
        ),
        Alarm(
            f"{fleet.model}-warm-up-over-budget",
            f"Nodes have been starting for {warm_up_budget_seconds} s without a pause: one of them may never become "
            "warm. Its log group says what it waits for.",
            tuple(pending),
            "FILL(ps,0)+FILL(po,0)",
            MINUTE,
            -(-warm_up_budget_seconds // MINUTE),
        ),
        Alarm(
            f"{fleet.model}-spot-below-desired",
            "Spot has given fewer nodes than wanted for 15 minutes. More instance types or zones help; until then "
            "on-demand nodes do.",
            (wanted[0], ready[0]),
            "FILL(ds,0)-FILL(rs,0)",
            MINUTE,
            15,
        ),
        *(_launching_suspended(fleet.model, market, group) for market, group in _markets(fleet)),
        Alarm(
            f"{fleet.model}-dead-letters",
            "A job was tried as often as it may be and never finished; the queue of dead letters holds it.",
            (_of_queue("n", fleet.dead_letters_queue),),
            "FILL(n,0)",
            5 * MINUTE,
            1,
        ),
    ]


def of_planner(environment: str, model: str) -> list[Alarm]:
    """The alarms of a model whose fleet the planner sizes. Its figures are its own: no plan, no figure."""
    return [
        Alarm(
            f"{model}-planner-silent",
            f"Nobody has planned the fleet for {SILENT_MINUTES} minutes; it can only grow. The planner's log group "
            "says why.",
            (own("n", contract.METRIC_PLANS, environment, model),),
            "IF(FILL(n,0) < 1, 1, 0)",
            MINUTE,
            SILENT_MINUTES,
            missing_is_bad=True,
        ),
        Alarm(
            f"{model}-planner-refuses",
            "The planner would buy more, and may not: `warmfleet scaling explain` says which brake holds it.",
            (own("n", contract.METRIC_REFUSALS, environment, model),),
            "FILL(n,0)",
            MINUTE,
            3,
        ),
    ]


def of_stack(interruption_rule: Text, failed_launch_rule: Text, balancer: Text, targets: Text) -> list[Alarm]:
    """The alarms that a stack has once. The two rules see the whole region of the account, as EventBridge does."""
    healthy = {contract.DIMENSION_BALANCER: balancer, contract.DIMENSION_TARGETS: targets}
    return [
        Alarm(
            "interruption-storm",
            f"More than {STORM} spot notices within 15 minutes: spot capacity is drying up. On-demand nodes help.",
            (_of_rule("n", interruption_rule),),
            "FILL(n,0)",
            QUARTER_HOUR,
            1,
            above=STORM,
        ),
        Alarm(
            "launches-failing",
            f"More than {FAILED_LAUNCHES} launches failed within 15 minutes: no capacity, no quota, a bad template, or "
            "nodes that never became warm. The group's activities say which.",
            (_of_rule("n", failed_launch_rule),),
            "FILL(n,0)",
            QUARTER_HOUR,
            1,
            above=FAILED_LAUNCHES,
        ),
        Alarm(
            "no-healthy-gateway",
            "No gateway is healthy: nobody is answered.",
            (Metric("h", contract.NAMESPACE_BALANCER, contract.METRIC_TARGETS_HEALTHY, healthy, "Minimum"),),
            "IF(h < 1, 1, 0)",
            MINUTE,
            3,
            missing_is_bad=True,
        ),
    ]


def _markets(fleet: FleetNames) -> list[tuple[str, Text]]:
    return [("spot", fleet.spot_group), ("on-demand", fleet.on_demand_group)]


def _launching_suspended(model: str, market: str, group: Text) -> Alarm:
    """AWS stops a group's launches after a day of failures, and publishes no metric of that: this sees the day.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
    """
    return Alarm(
        f"{model}-{market}-launching-suspended",
        "For 24 hours nodes were wanted and none came: AWS has probably suspended the launches. Mend the cause, "
        "then `aws autoscaling resume-processes`.",
        (
            of_group("d", contract.METRIC_GROUP_DESIRED, group, "Minimum"),
            of_group("r", contract.METRIC_GROUP_IN_SERVICE, group),
            of_group("p", contract.METRIC_GROUP_PENDING, group),
        ),
        "IF(FILL(d,0) > 0 AND FILL(r,0)+FILL(p,0) < 1, 1, 0)",
        HOUR,
        24,
    )


def of_group(id_: str, metric: str, group: Text, statistic: str = "Maximum") -> Metric:
    """A metric that AWS publishes of a group."""
    return Metric(id_, contract.NAMESPACE_GROUPS, metric, {contract.DIMENSION_GROUP: group}, statistic)


def own(id_: str, metric: str, environment: str, model: str) -> Metric:
    """A metric that gateways or the planner publish."""
    dimensions = {contract.DIMENSION_ENVIRONMENT: environment, contract.DIMENSION_MODEL: model}
    return Metric(id_, contract.NAMESPACE_WARMFLEET, metric, dimensions, "Sum")


def _of_queue(id_: str, queue: Text) -> Metric:
    return Metric(id_, contract.NAMESPACE_QUEUES, contract.METRIC_QUEUE_VISIBLE, {contract.DIMENSION_QUEUE: queue})


def _of_rule(id_: str, rule: Text) -> Metric:
    return Metric(
        id_, contract.NAMESPACE_EVENTS, contract.METRIC_RULE_TRIGGERED, {contract.DIMENSION_RULE: rule}, "Sum"
    )
