"""What a stack may cost an hour, held against what it would cost with every group full. Pure."""

from typing import TYPE_CHECKING

from infra.hourly_cost import estimate
from infra.order import order

if TYPE_CHECKING:
    from infra.settings import StackSettings


def over_limit(settings: "StackSettings") -> list[str]:
    """One sentence if the settings may cost more than `max_hourly_usd`; nothing if they may not, or without a limit."""
    cost, limit = estimate(order(settings)), settings.max_hourly_usd
    if not limit or cost.most_usd <= limit:
        return []
    dearest = max(cost.lines, key=lambda line: line.most_usd)
    return [
        f"max_hourly_usd is {limit}; every group full would cost ${cost.most_usd:.2f} an hour ({cost.note}), of which "
        f"${dearest.most_usd:.2f} for {dearest.what}; lower most_spot_nodes or most_on_demand_nodes, or raise the limit"
    ]
