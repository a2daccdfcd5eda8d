"""Budgets that can be changed, and who is notified.

A budget here counts nothing: no cost arises in this cloud, and no notification is ever sent.
"""

from typing import Any

from moto.budgets.exceptions import DuplicateRecordException, NotFoundException
from moto.budgets.models import Budget, BudgetsBackend, Notification

# mypy: disallow-subclassing-any=False

Details = dict[str, Any]


class LocalBudgetsBackend(BudgetsBackend):
    """The budgets of all accounts; a notification is known by its own settings, as in AWS's API."""

    @property
    def _url_module(self) -> Any:
        """Imported when the service is first asked for anything: a cloud without budgets starts without it."""
        from localcloud.aws.budgets import urls

        return urls

    def update_budget(self, account_id: str, budget: Details) -> None:
        """Everything but the name can change; notifications are not part of it.

        https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_UpdateBudget.html
        """
        former = self.find(account_id, budget["BudgetName"])
        changed = Budget(budget, [])
        changed.notifications = former.notifications
        self.budgets[account_id][budget["BudgetName"]] = changed

    def create_notification(self, account_id: str, budget_name: str, notification: Details, subscribers: Any) -> None:
        """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateNotification.html"""
        budget = self.find(account_id, budget_name)
        if any(same(each.details, notification) for each in budget.notifications):
            raise DuplicateRecordException(record_type="notification", record_name=str(notification))
        budget.add_notification(notification, subscribers)

    def delete_notification(self, account_id: str, budget_name: str, notification: Details) -> None:
        """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DeleteNotification.html"""
        budget = self.find(account_id, budget_name)
        budget.notifications.remove(self.find_notification(account_id, budget_name, notification))

    def describe_notifications_for_budget(self, account_id: str, budget_name: str) -> list[Details]:
        return [each.details for each in self.find(account_id, budget_name).notifications]

    def find(self, account_id: str, name: str) -> Budget:
        """The budget; raises AWS's error when there is none."""
        if name not in self.budgets[account_id]:
            raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
        return self.budgets[account_id][name]

    def find_notification(self, account_id: str, budget_name: str, wanted: Details) -> Notification:
        """The notification of these settings; raises AWS's error when there is none."""
        for each in self.find(account_id, budget_name).notifications:
            if same(each.details, wanted):
                return each
        raise NotFoundException(f"Unable to get notification: {wanted} - the notification doesn't exist.")


def same(one: Details, other: Details) -> bool:
    """Whether two notifications are one: a threshold is a percentage where nothing else is said."""
    by_default = {"ThresholdType": "PERCENTAGE"}
    return {**by_default, **one} == {**by_default, **other}
