"""Step policies that scale a fleet out, and the alarms that call them; decided in infra/safety_net.py."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi_aws.autoscaling import PolicyStepAdjustmentArgsDict

from infra.alarms import Alarm
from infra.components.observability import metric_alarm
from infra.safety_net import STEPS


@dataclass(frozen=True)
class SafetyNetArgs:
    """`waiting` adds nodes to the spot group, `missing` to the on-demand group; both tell the topic too."""

    spot_group: pulumi.Output[str]
    on_demand_group: pulumi.Output[str]
    waiting: Alarm
    missing: Alarm
    topic_arn: pulumi.Output[str]


class SafetyNet(pulumi.ComponentResource):
    """For a fleet whose planner is dead."""

    def __init__(self, name: str, args: SafetyNetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:safety_net:SafetyNet", name, None, opts)
        self._child, self._topic_arn = pulumi.ResourceOptions(parent=self), args.topic_arn
        self._scale_out(args.waiting, args.spot_group)
        self._scale_out(args.missing, args.on_demand_group)
        self.register_outputs({})

    def _scale_out(self, alarm: Alarm, group: pulumi.Output[str]) -> None:
        policy = aws.autoscaling.Policy(
            alarm.name,
            autoscaling_group_name=group,
            policy_type="StepScaling",
            adjustment_type="ChangeInCapacity",
            metric_aggregation_type="Maximum",
            step_adjustments=steps(alarm.above),
            opts=self._child,
        )
        metric_alarm(alarm, [policy.arn, self._topic_arn], [self._topic_arn], self._child)


def steps(threshold: float) -> list[PolicyStepAdjustmentArgsDict]:
    """As the API takes them: intervals from the alarm's threshold on, of which the last one has no end."""
    starts = [f"{step.at_least - threshold:g}" for step in STEPS]
    found: list[PolicyStepAdjustmentArgsDict] = [
        {"metric_interval_lower_bound": start, "scaling_adjustment": step.nodes}
        for start, step in zip(starts, STEPS, strict=True)
    ]
    for step, end in zip(found, starts[1:], strict=False):
        step["metric_interval_upper_bound"] = end
    return found
