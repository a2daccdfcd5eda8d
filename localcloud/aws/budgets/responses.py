"""The actions that moto lacks: changing a budget, and telling who is notified."""

import json

from moto.budgets.models import budgets_backends
from moto.budgets.responses import BudgetsResponse

from localcloud.aws.budgets.models import LocalBudgetsBackend

# mypy: disallow-subclassing-any=False


class LocalBudgetsResponse(BudgetsResponse):
    """moto's actions of AWS Budgets, and ours."""

    @property
    def backend(self) -> LocalBudgetsBackend:
        backend: LocalBudgetsBackend = budgets_backends[self.current_account][self.partition]
        return backend

    def update_budget(self) -> str:
        self.backend.update_budget(self._get_param("AccountId"), self._get_param("NewBudget"))
        return json.dumps({})

    def describe_subscribers_for_notification(self) -> str:
        """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DescribeSubscribersForNotification.html"""
        wanted = [self._get_param(name) for name in ("AccountId", "BudgetName", "Notification")]
        return json.dumps({"Subscribers": self.backend.find_notification(*wanted).subscribers})
