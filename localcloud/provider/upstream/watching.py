"""CloudWatch and budgets. The provider does not compare periods with each other, nor does it read a dashboard."""

import re
from dataclasses import replace

from localcloud.provider.upstream.checks import Check, Conflict, ExactlyOne, Value
from localcloud.provider.upstream.forms import (
    ARN,
    JSON,
    at_least,
    length,
    matching,
    name,
    number_of,
    one_of,
    one_of_any_case,
    seconds_of,
)

_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_METRIC = "metricQueries.metric"
_AUTOMATED = re.compile(r"arn:[\w-]+:automate:[\w-]+:ec2:(reboot|recover|stop|terminate)")
_ACTION = replace(ARN, fits=lambda value: ARN.fits(value) or _AUTOMATED.fullmatch(value) is not None)

ALARM: tuple[Check, ...] = (
    *(Conflict((each, "metricQueries")) for each in ("metricName", "namespace", "period", "statistic", "dimensions")),
    Conflict(("expression", "metric"), within="metricQueries"),
    ExactlyOne(("statistic", "extendedStatistic"), beside="metricName"),
    Value("name", length(1, 255)),
    Value("alarmDescription", length(0, 1024)),
    Value("alarmActions", _ACTION),
    Value("okActions", _ACTION),
    Value(
        "comparisonOperator",
        one_of(
            "GreaterThanOrEqualToThreshold",
            "GreaterThanThreshold",
            "LessThanThreshold",
            "LessThanOrEqualToThreshold",
            "LessThanLowerOrGreaterThanUpperThreshold",
            "LessThanLowerThreshold",
            "GreaterThanUpperThreshold",
        ),
    ),
    Value("datapointsToAlarm", at_least(1)),
    Value("evaluationPeriods", at_least(1)),
    Value("metricName", length(1, 255)),
    Value("namespace", length(1, 255)),
    Value("period", seconds_of(10, 20, 30)),
    Value("statistic", one_of(*_STATISTICS)),
    Value("treatMissingData", one_of_any_case("missing", "ignore", "breaching", "notBreaching")),
    Value("metricQueries.expression", length(1, 1024)),
    Value("metricQueries.id", length(1, 255)),
    Value(f"{_METRIC}.metricName", length(1, 255)),
    Value(f"{_METRIC}.namespace", length(1, 255)),
    Value(f"{_METRIC}.period", seconds_of(1, 5, 10, 20, 30)),
    Value(
        f"{_METRIC}.stat",
        matching(
            "|".join(_STATISTICS)
            + r"|(p|tm|wm|tc|ts)(\d{1,2}(\.\d{1,2})?|100)|IQM|(TM|WM|PR|TC|TS)\((\d+(\.\d+)?%?)?:(\d+(\.\d+)?%?)?\)",
            "a statistic such as Average, p99, tm90 or IQM",
            ("Sum", "p99.9", "IQM", "PR(1:10)"),
            ("Median", "p101"),
        ),
    ),
)
BUDGET: tuple[Check, ...] = (
    Value(
        "budgetType",
        one_of("USAGE", "COST", "RI_UTILIZATION", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION", "SAVINGS_PLANS_COVERAGE"),
    ),
    Value("notifications.comparisonOperator", one_of("GREATER_THAN", "LESS_THAN", "EQUAL_TO")),
    Value("notifications.notificationType", one_of("ACTUAL", "FORECASTED")),
    Value("notifications.subscriberSnsTopicArns", ARN),
    Value("notifications.thresholdType", one_of("PERCENTAGE", "ABSOLUTE_VALUE")),
    Value(
        "timePeriodStart",
        matching(
            r"\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])_([01]\d|2[0-3]):[0-5]\d",
            "a time such as 2026-01-31_00:00",
            ("2026-01-31_00:00",),
            ("2026-01-31", "2026-13-01_00:00"),
        ),
    ),
    Value("timeUnit", one_of("DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM")),
)
_DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
LOG_GROUP: tuple[Check, ...] = (
    Value("name", name(512, "0-9A-Za-z_./#-", "letters, digits and _./#-")),
    Value("retentionInDays", number_of(*_DAYS)),
)
DASHBOARD: tuple[Check, ...] = (
    Value("dashboardBody", JSON),
    Value("dashboardName", name(255, "0-9A-Za-z_-", "letters, digits, _ and -")),
)
TABLE = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch/metric_alarm.go", ALARM),
    "aws:cloudwatch/logGroup:LogGroup": ("logs/group.go", LOG_GROUP),
    "aws:cloudwatch/dashboard:Dashboard": ("cloudwatch/dashboard.go", DASHBOARD),
    "aws:budgets/budget:Budget": ("budgets/budget.go", BUDGET),
}
