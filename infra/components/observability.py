"""Alarms and a dashboard; what they are is decided in infra/alarms.py and infra/dashboard.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws.cloudwatch import MetricAlarmMetricQueryArgsDict

from infra.alarms import Alarm, Metric


@dataclass(frozen=True)
class ObservabilityArgs:
    """What to watch, what to show, and the topic that hears of it."""

    alarms: Sequence[Alarm]
    dashboard: dict[str, Any]
    topic_arn: pulumi.Output[str]


class Observability(pulumi.ComponentResource):
    """Every alarm says so on the topic when it fires and when it is over."""

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:observability:Observability", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        for alarm in args.alarms:
            metric_alarm(alarm, [args.topic_arn], [args.topic_arn], self._child)
        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=f"warmfleet-{pulumi.get_stack()}",  # the one place where the provider makes no name
            dashboard_body=pulumi.Output.json_dumps(args.dashboard),
            opts=self._child,
        )
        self.dashboard_name = dashboard.dashboard_name
        self.register_outputs({"dashboardName": self.dashboard_name})


def metric_alarm(
    alarm: Alarm,
    actions: Sequence[pulumi.Input[str]],
    ok_actions: Sequence[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> aws.cloudwatch.MetricAlarm:
    """One alarm; `actions` are the ARNs of topics and scaling policies."""
    return aws.cloudwatch.MetricAlarm(
        alarm.name,
        alarm_description=alarm.description,
        comparison_operator="GreaterThanThreshold",
        threshold=alarm.above,
        evaluation_periods=alarm.times,
        datapoints_to_alarm=alarm.times,
        treat_missing_data="breaching" if alarm.missing_is_bad else "notBreaching",
        metric_queries=[
            {"id": "e", "expression": alarm.expression, "label": alarm.name, "return_data": True},
            *(_query(metric, alarm.period_seconds) for metric in alarm.metrics),
        ],
        alarm_actions=actions,
        ok_actions=ok_actions,
        opts=opts,
    )


def _query(metric: Metric, period_seconds: int) -> MetricAlarmMetricQueryArgsDict:
    return {
        "id": metric.id,
        "return_data": False,
        "metric": {
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "dimensions": dict(metric.dimensions),
            "stat": metric.statistic,
            "period": period_seconds,
        },
    }
