"""CloudWatch alarms, log groups, dashboards; budgets."""

import json
import re
from collections.abc import Iterator

from infra.policies.resource import Resource, known, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

ALARM, LOGS = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:cloudwatch/logGroup:LogGroup"
DASHBOARD, BUDGET = "aws:cloudwatch/dashboard:Dashboard", "aws:budgets/budget:Budget"

API = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/"
PUT_ALARM = f"{API}API_PutMetricAlarm.html"
RETENTION = [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
DAY = 86400
BANDS = ("LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold")

LIMITS = [
    among(ALARM, "treatMissingData", ["missing", "ignore", "breaching", "notBreaching"], PUT_ALARM),
    between(ALARM, "evaluationPeriods", 1, 10_000, PUT_ALARM),
    among(
        LOGS,
        "retentionInDays",
        RETENTION,
        "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
    ),
    among(
        BUDGET,
        "budgetType",
        ["USAGE", "COST", "RI_UTILIZATION", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION", "SAVINGS_PLANS_COVERAGE"],
        "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html",
    ),
]


@rule(ALARM, source=PUT_ALARM)
def alarm_metric(alarm: Resource) -> Iterator[str]:
    """One metric with a statistic, or queries, not both."""
    yield from exactly_one(alarm, ["metricName", "metricQueries"])
    if alarm.has("metricName"):
        yield from exactly_one(alarm, ["statistic", "extendedStatistic"])
        if not alarm.has("period"):
            yield "period is missing; give seconds"
        if not alarm.has("namespace"):
            yield "namespace is missing; give the one of metricName"
    else:
        for path in ("namespace", "period", "statistic", "extendedStatistic", "dimensions", "unit"):
            yield from only_with(alarm, path, False, "with metricName; with queries it stands in each of them")


@rule(ALARM, source=PUT_ALARM)
def alarm_periods(alarm: Resource) -> Iterator[str]:
    """10, 20, 30 or a multiple of 60 seconds; a day in all, a week from an hour on."""
    periods = [
        *alarm.known("period"),
        *alarm.known("metricQueries[].metric.period"),
        *alarm.known("metricQueries[].period"),
    ]
    times = number(alarm.get("evaluationPeriods"))
    for place, value in periods:
        period = number(value)
        if period is None:
            continue
        if period <= 0 or (period not in (10, 20, 30) and period % 60):
            yield f"{place} is {period:g}; must be 10, 20, 30 or a multiple of 60"
        most = 7 * DAY if period >= 3600 else DAY
        if times is not None and period * times > most:
            yield f"evaluationPeriods {times:g} of {period:g} s are {period * times:g} s; must be at most {most}"


@rule(ALARM, source=PUT_ALARM)
def alarm_points(alarm: Resource) -> Iterator[str]:
    """As many bad points as periods at most."""
    points, times = number(alarm.get("datapointsToAlarm")), number(alarm.get("evaluationPeriods"))
    if points is not None and times is not None and not 1 <= points <= times:
        yield f"datapointsToAlarm is {points:g}; must be 1 to evaluationPeriods, which is {times:g}"


@rule(ALARM, source=PUT_ALARM)
def alarm_threshold(alarm: Resource) -> Iterator[str]:
    """A number, or an anomaly band where the comparison is with one."""
    yield from exactly_one(alarm, ["threshold", "thresholdMetricId"])
    band = alarm.get("comparisonOperator") in BANDS
    if (
        alarm.has("comparisonOperator")
        and known(alarm.get("comparisonOperator"))
        and band != alarm.has("thresholdMetricId")
    ):
        compared = alarm.get("comparisonOperator")
        yield f"comparisonOperator is {compared}; an anomaly band has thresholdMetricId, a number has threshold"


@rule(ALARM, source=f"{API}API_MetricDataQuery.html")
def alarm_queries(alarm: Resource) -> Iterator[str]:
    """Exactly one result; unique ids that begin with a small letter; expression or metric in each."""
    queries = [value for _, value in alarm.known("metricQueries[]") if isinstance(value, dict)]
    if not queries:
        return
    results = [each for each in queries if each.get("returnData") is True]
    if len(results) != 1:
        yield f"metricQueries: {len(results)} with returnData true; must be exactly one"
    ids = [str(each["id"]) for each in queries if isinstance(each.get("id"), str)]
    for twice in sorted({each for each in ids if ids.count(each) > 1}):
        yield f"metricQueries has id {twice} twice; give each its own"
    for each in queries:
        if isinstance(each.get("id"), str) and not re.fullmatch(r"[a-z][a-zA-Z0-9_]{0,254}", each["id"]):
            yield f"metricQueries has id {each['id']!r}; must begin with a small letter, then letters, digits and _"
        if bool(each.get("expression")) == bool(each.get("metric")):
            yield f"query {each.get('id')}: expression or metric; give exactly one"
    metrics = [each for each in queries if each.get("metric")]
    if len(metrics) > 10:
        yield f"metricQueries has {len(metrics)} metrics; must be at most 10"


@rule(ALARM, source=PUT_ALARM)
def alarm_actions(alarm: Resource) -> Iterator[str]:
    """At most five for each state, each an ARN."""
    for path in ("alarmActions", "okActions", "insufficientDataActions"):
        given = [value for _, value in alarm.known(f"{path}[]")]
        if len(given) > 5:
            yield f"{path} has {len(given)} members; must be at most 5"
        for each in given:
            if isinstance(each, str) and not each.startswith("arn:"):
                yield f"{path} holds {shown(each)}; must be an ARN"


@rule(ALARM, source=PUT_ALARM)
def alarm_statistic(alarm: Resource) -> Iterator[str]:
    """A percentile or a trimmed statistic in CloudWatch's words."""
    value = alarm.get("extendedStatistic")
    words = r"p(\d{1,2}(\.\d{0,10})?|100)|(tm|tc|ts|wm)\d{1,2}(\.\d+)?|IQM|(PR|TC|TM|TS|WM)\([0-9.%:]+\)"
    if isinstance(value, str) and value and not re.fullmatch(words, value):
        yield f"extendedStatistic is {value!r}; must be such as p99, tm90, wm98 or IQM"


@rule(LOGS, source="https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html")
def log_group_name(group: Resource) -> Iterator[str]:
    """At most 512 of a-z, A-Z, 0-9, _ - / . and #, not beginning with aws/."""
    name = group.get("name")
    if isinstance(name, str) and (not re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", name) or name.startswith("aws/")):
        yield f"name is {shown(name)}; must be 1 to 512 of a-z, A-Z, 0-9, _ - / . and #, not beginning with aws/"


@rule(DASHBOARD, source=f"{API}CloudWatch-Dashboard-Body-Structure.html")
def dashboard_body(dashboard: Resource) -> Iterator[str]:
    """JSON with at most 500 widgets on a grid of 24 columns."""
    body = dashboard.get("dashboardBody")
    if not isinstance(body, str):
        return
    try:
        widgets = json.loads(body).get("widgets", [])
    except (ValueError, AttributeError):
        yield f"dashboardBody is {shown(body)}; must be a JSON object with `widgets`"
        return
    if len(widgets) > 500:
        yield f"dashboardBody has {len(widgets)} widgets; must be at most 500"
    for number_, each in enumerate(widgets):
        end = each.get("x", 0) + each.get("width", 6) if isinstance(each, dict) else 0
        if end > 24:
            yield f"widget {number_} of dashboardBody ends at column {end}; must be at most 24"


@rule(
    BUDGET, source="https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudget.html"
)
def budgets(budget: Resource) -> Iterator[str]:
    """An amount above zero; at most ten notices, each different and with somebody to tell."""
    amount = number(budget.get("limitAmount"))
    if amount is not None and amount <= 0:
        yield f"limitAmount is {amount:g}; must be above 0"
    notices = [(place, value) for place, value in budget.known("notifications[]") if isinstance(value, dict)]
    if len(notices) > 10:
        yield f"notifications has {len(notices)} members; must be at most 10"
    keys = [
        tuple(str(value.get(each)) for each in ("notificationType", "comparisonOperator", "threshold", "thresholdType"))
        for _, value in notices
    ]
    if len(set(keys)) != len(keys):
        yield "notifications has one twice; make type or threshold different"
    for place, value in notices:
        emails, topics = (value.get(each) or [] for each in ("subscriberEmailAddresses", "subscriberSnsTopicArns"))
        if not emails and not topics:
            yield f"{place} has no subscriber; give an address or a topic"
        if isinstance(emails, list) and len(emails) > 10:
            yield f"{place} has {len(emails)} addresses; must be at most 10"
        if isinstance(topics, list) and len(topics) > 1:
            yield f"{place} has {len(topics)} topics; must be at most 1"
        threshold = number(value.get("threshold"))
        if threshold is not None and not 0 < threshold <= 15_000_000_000:
            yield f"{place}.threshold is {threshold:g}; must be above 0"
