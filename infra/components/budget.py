"""What the account costs in a month, and who is told when that is too much."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class BudgetArgs:
    """`topic_arn` gets the notices."""

    monthly_usd: int
    topic_arn: pulumi.Output[str]


class Budget(pulumi.ComponentResource):
    """Reports, hours late; it stops nothing: https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-best-practices.html

    It counts the whole account: a filter by tag sees nothing until somebody activates that tag for billing, and then
    only what came after (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html).
    """

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:budget:Budget", name, None, opts)
        notices = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
        aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.monthly_usd}.0",
            limit_unit="USD",
            notifications=[
                {
                    "notification_type": kind,
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "comparison_operator": "GREATER_THAN",
                    "subscriber_sns_topic_arns": [args.topic_arn],
                }
                for kind, percent in notices
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
