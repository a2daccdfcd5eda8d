"""AWS budgets."""

import datetime
import json
from decimal import Decimal
from typing import Any

from localcloud.provider.resource import AutoName, Aws, Handler, camel, names, pascal
from localcloud.provider.values import Properties

_INSTANT = "%Y-%m-%d_%H:%M"  # how the official provider writes the ends of a period, in UTC
_SUBSCRIBERS = {"subscriberEmailAddresses": "EMAIL", "subscriberSnsTopicArns": "SNS"}


class Budget(Handler):
    """Notifications are calls of their own in AWS's API, and part of the budget for the official provider."""

    token = "aws:budgets/budget:Budget"
    inputs = names("name budgetType limitAmount limitUnit timeUnit timePeriodStart") | names(
        """costFilters.name costFilters.values notifications.comparisonOperator notifications.threshold
        notifications.thresholdType notifications.notificationType notifications.subscriberSnsTopicArns
        notifications.subscriberEmailAddresses"""
    )
    outputs = names("""accountId arn name budgetType limitAmount limitUnit timeUnit timePeriodStart timePeriodEnd
        costFilters notifications""")
    # UpdateBudget changes all but the name:
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_UpdateBudget.html
    replaced_by = names("name")
    unordered = names("costFilters notifications")
    auto_name = AutoName(longest=100)

    def create(self, aws: Aws, inputs: Properties) -> str:
        account = aws.account()
        aws.client("budgets").create_budget(AccountId=account, Budget=_budget(inputs))
        return f"{account}:{inputs['name']}"

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        """Remove the notifications that are not wanted so, then add those that are missing."""
        budget, key = aws.client("budgets"), _key(id_)
        present, wanted = _notifications(budget, key), inputs.get("notifications", [])
        for each in present:
            if not any(_same_notification(each, other) for other in wanted):
                budget.delete_notification(**key, Notification=_settings(each))
        for each in wanted:
            if not any(_same_notification(each, other) for other in present):
                given = {"Notification": _settings(each), "Subscribers": _subscribers(each)}
                budget.create_notification(**key, **given)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        client, key = aws.client("budgets"), _key(id_)
        found = client.describe_budget(**key)["Budget"]
        filters = [{"name": name, "values": values} for name, values in sorted(found.get("CostFilters", {}).items())]
        notifications = _notifications(client, key)
        return {
            "accountId": key["AccountId"],
            "arn": f"arn:aws:budgets::{key['AccountId']}:budget/{key['BudgetName']}",
            "name": key["BudgetName"],
            "budgetType": found["BudgetType"],
            "limitAmount": found["BudgetLimit"]["Amount"],
            "limitUnit": found["BudgetLimit"]["Unit"],
            "timeUnit": found["TimeUnit"],
            "timePeriodStart": _text(found["TimePeriod"]["Start"]),
            "timePeriodEnd": _text(found["TimePeriod"]["End"]),
            **({"costFilters": filters} if filters else {}),
            **({"notifications": notifications} if notifications else {}),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        start = {"timePeriodStart": known["timePeriodStart"]} if "timePeriodStart" in known else {}
        client, key = aws.client("budgets"), _key(id_)
        client.update_budget(AccountId=key["AccountId"], NewBudget=_budget({**start, **inputs}))
        self.complete(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("budgets").delete_budget(**_key(id_))

    def _meaning(self, name: str, value: Any) -> Any:
        if name == "limitAmount" and isinstance(value, str):
            return Decimal(value)
        if name == "notifications" and isinstance(value, list):
            value = [_ordered(each) for each in value if isinstance(each, dict)]
        return super()._meaning(name, value)


def _key(id_: str) -> dict[str, str]:
    account, _, name = id_.partition(":")
    return {"AccountId": account, "BudgetName": name}


def _budget(inputs: Properties) -> dict[str, Any]:
    filters = {each["name"]: each["values"] for each in inputs.get("costFilters", [])}
    start = inputs.get("timePeriodStart")
    return {
        "BudgetName": inputs["name"],
        "BudgetType": inputs["budgetType"],
        "TimeUnit": inputs["timeUnit"],
        "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
        **({"CostFilters": filters} if filters else {}),
        **({"TimePeriod": {"Start": _moment(start), "End": _FOREVER}} if start else {}),
    }


def _notifications(client: Any, key: dict[str, str]) -> list[Properties]:
    """The notifications of a budget, each with its subscribers."""
    found = []
    for each in client.describe_notifications_for_budget(**key).get("Notifications", []):
        reply = client.describe_subscribers_for_notification(**key, Notification=each)
        of_kind = {
            name: [who["Address"] for who in reply["Subscribers"] if who["SubscriptionType"] == kind]
            for name, kind in _SUBSCRIBERS.items()
        }
        settings = {key: value for key, value in camel(each).items() if key != "notificationState"}
        found.append(_ordered({"thresholdType": "PERCENTAGE", **settings, **of_kind}))
    return sorted(found, key=_text_of)


def _ordered(notification: Properties) -> Properties:
    """Lists of addresses are sets, an empty one is none, and a threshold has no fraction where it needs none."""
    members = {key: sorted(value) if isinstance(value, list) else value for key, value in notification.items()}
    threshold = members.get("threshold")
    if isinstance(threshold, float) and threshold.is_integer():
        members["threshold"] = int(threshold)
    return {key: value for key, value in members.items() if value != []}


def _same_notification(one: Properties, other: Properties) -> bool:
    return _ordered(one) == _ordered(other)


def _settings(notification: Properties) -> dict[str, Any]:
    settings: dict[str, Any] = pascal({key: value for key, value in notification.items() if key not in _SUBSCRIBERS})
    return settings


def _subscribers(notification: Properties) -> list[dict[str, str]]:
    return [
        {"SubscriptionType": kind, "Address": address}
        for name, kind in _SUBSCRIBERS.items()
        for address in notification.get(name, [])
    ]


def _text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, _INSTANT).replace(tzinfo=datetime.UTC)


def _text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime(_INSTANT)


# What AWS says for a budget without an end: TimePeriod in the API reference.
_FOREVER = datetime.datetime(2087, 6, 15, tzinfo=datetime.UTC)
