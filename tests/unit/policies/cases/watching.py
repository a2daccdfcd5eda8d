"""CloudWatch alarms, log groups, dashboards; budgets."""

from infra.policies.aws_refuses.watching import ALARM, BUDGET, DASHBOARD, LOGS
from infra.policies.resource import UNKNOWN
from tests.unit.policies.cases.case import Case, text

METRIC = {"metricName": "m", "namespace": "n", "statistic": "Sum", "period": 60}

CASES = [
    Case("alarm-metric", ALARM, {**METRIC, "metricQueries": [{"id": "a"}]}, METRIC),
    Case("alarm-metric", ALARM, {**METRIC, "extendedStatistic": "p99"}, METRIC),
    Case("alarm-periods", ALARM, {**METRIC, "period": 45}, {**METRIC, "period": 30}),
    Case(
        "alarm-periods",
        ALARM,
        {**METRIC, "period": 300, "evaluationPeriods": 289},
        {**METRIC, "period": 300, "evaluationPeriods": 288},
    ),
    Case(
        "alarm-points",
        ALARM,
        {"datapointsToAlarm": 3, "evaluationPeriods": 2},
        {"datapointsToAlarm": 2, "evaluationPeriods": 2},
    ),
    Case(
        "alarm-threshold",
        ALARM,
        {"comparisonOperator": "GreaterThanUpperThreshold", "threshold": 1},
        {"comparisonOperator": "GreaterThanThreshold", "threshold": 0},
    ),
    Case(
        "alarm-queries",
        ALARM,
        {"metricQueries": [{"id": "E", "expression": "1", "returnData": True}]},
        {"metricQueries": [{"id": "e", "expression": "1", "returnData": True}]},
    ),
    Case("alarm-actions", ALARM, {"alarmActions": ["ops@example.com"]}, {"alarmActions": [UNKNOWN]}),
    Case("alarm-statistic", ALARM, {"extendedStatistic": "p101"}, {"extendedStatistic": "p99.9"}),
    Case("log-group-name", LOGS, {"name": "aws/lambda"}, {"name": "/aws/lambda"}),
    Case("dashboard-body", DASHBOARD, {"dashboardBody": "{"}, {"dashboardBody": '{"widgets": []}'}),
    Case(
        "dashboard-body",
        DASHBOARD,
        {"dashboardBody": text({"widgets": [{"x": 20, "width": 5}]})},
        {"dashboardBody": text({"widgets": [{"x": 20, "width": 4}]})},
    ),
    Case(
        "budgets",
        BUDGET,
        {"limitAmount": "10", "notifications": [{"threshold": 80}]},
        {"limitAmount": "10", "notifications": [{"threshold": 80, "subscriberEmailAddresses": ["a@example.com"]}]},
    ),
]
