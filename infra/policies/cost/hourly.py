"""MaxSize times price over the stack's limit, which stands as a tag on its groups."""

from collections.abc import Iterator

from inference_service.contract import TAG_MAX_HOURLY_USD as LIMIT_TAG
from infra.hourly_cost import PRICED_REGION
from infra.instance_types import PRICES_OF, lookup
from infra.policies.aws_refuses.autoscaling import GROUP, OVERRIDES, TEMPLATE
from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import rule

PRICES = "https://aws.amazon.com/ec2/pricing/on-demand/"


@rule(GROUP, source=PRICES, group="cost")
def max_hourly_usd(group: Resource, stack: Stack) -> Iterator[str]:
    """All groups that carry the same limit, full and at on-demand prices, cost at most that an hour."""
    limit = _limit(group)
    groups = [each for each in stack.of(GROUP) if _limit(each) == limit]
    if limit is None or group is not groups[0]:  # said once
        return
    costs = {each.name: _most_usd(each, stack) for each in groups}
    total = sum(costs.values())
    if total > limit:
        dearest = max(costs, key=lambda name: costs[name])
        yield (
            f"{len(groups)} full groups cost ${total:.2f} an hour, of which {dearest} ${costs[dearest]:.2f}; must be "
            f"at most {LIMIT_TAG}, which is {limit:g} ({PRICED_REGION}, {PRICES_OF}): lower maxSize, or raise the limit"
        )


@rule(GROUP, source=PRICES, group="cost", mandatory=False)
def unknown_price(group: Resource, stack: Stack) -> Iterator[str]:
    """A limit is of use where every type has a price."""
    if _limit(group) is not None:
        for name in _types(group, stack):
            if (found := lookup(name)) is None or found.on_demand_usd_per_hour is None:
                yield f"{name} has no price in infra/instance_types.csv, and counts as nothing; add its line"


def _limit(group: Resource) -> float | None:
    tags = [value for _, value in group.known("tags[]") if isinstance(value, dict)]
    return next((number(each.get("value")) for each in tags if each.get("key") == LIMIT_TAG), None)


def _most_usd(group: Resource, stack: Stack) -> float:
    prices = [found.on_demand_usd_per_hour or 0 for name in _types(group, stack) if (found := lookup(name))]
    return (number(group.get("maxSize")) or 0) * max(prices, default=0)


def _types(group: Resource, stack: Stack) -> list[str]:
    named = [str(value) for _, value in group.known(f"{OVERRIDES}[].instanceType")]
    templates = [*stack.behind(group, "launchTemplate", TEMPLATE)]
    return named or [str(each.get("instanceType")) for each in templates if each.get("instanceType")]
