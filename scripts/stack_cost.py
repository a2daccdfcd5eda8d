"""What a stack costs and needs: types that fit and why others do not, quotas, an hour's and a month's price. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.fit import Choice, problems
from infra.hourly_cost import HOURS_A_MONTH, HourlyCost, estimate, listed_price
from infra.instance_types import PRICES_OF, known
from infra.order import order
from infra.settings import Model, StackSettings
from infra.vcpu_quotas import ON_DEMAND, SPOT, Demand, Quota, needed
from scripts.aws_prices import Market


@dataclass(frozen=True)
class TypeRow:
    """One type of a model, or one that it could have. `why_not` is empty where it fits."""

    model: str
    type: str
    chosen: bool
    why_not: str
    on_demand_usd: float | None
    spot_usd: float | None
    zones: tuple[str, ...] | None


@dataclass(frozen=True)
class QuotaRow:
    """vCPUs that a full stack needs of one quota; `limit` is None where it is not known."""

    quota: Quota
    needed: int
    limit: float | None

    @property
    def enough(self) -> bool | None:
        return None if self.limit is None else self.limit >= self.needed


@dataclass(frozen=True)
class StackCost:
    """USD an hour. `spot_usd`: full, with spot nodes at the prices of this moment; None if those are not known."""

    cost: HourlyCost
    spot_usd: float | None
    types: tuple[TypeRow, ...]
    quotas: tuple[QuotaRow, ...]
    prices: str  # where they are from

    @property
    def month_usd(self) -> tuple[float, float]:
        return round(self.cost.idle_usd * HOURS_A_MONTH, 2), round(self.cost.most_usd * HOURS_A_MONTH, 2)


def demands(settings: StackSettings) -> list[Demand]:
    """What the account's quotas are asked for: gateways are on demand."""
    found = [Demand(ON_DEMAND, (settings.gateway_instance_type,), settings.gateway_nodes + 1)]
    for model in settings.models:
        found += [Demand(SPOT, model.instance_types, model.most_spot_nodes)]
        found += [Demand(ON_DEMAND, model.instance_types, model.most_on_demand_nodes)]
    return found


def types_of(settings: StackSettings) -> list[str]:
    """Every type that the stack may buy."""
    named = {name for model in settings.models for name in model.instance_types}
    return sorted({*named, settings.gateway_instance_type})


def of_stack(settings: StackSettings, market: Market) -> StackCost:
    """All of it, with AWS's own prices where it gave them."""

    def price(name: str) -> float | None:
        return market.on_demand_usd.get(name) or listed_price(name)

    rows = [row for model in settings.models for row in _types(model, market)]
    limits = [
        QuotaRow(quota, vcpus, market.quotas.get(quota.code)) for quota, vcpus in needed(demands(settings)).items()
    ]
    source = "the Price List API" if market.on_demand_usd else f"infra/instance_types.csv, of {PRICES_OF}"
    cost = estimate(order(settings), price)
    return StackCost(cost, _at_spot(settings, market, cost), tuple(rows), tuple(limits), source)


def _at_spot(settings: StackSettings, market: Market, cost: HourlyCost) -> float | None:
    """The full stack, less what its spot nodes are cheaper by: each of the cheapest type of this moment."""
    saved = 0.0
    for model in settings.models:
        spot = [market.spot_usd[name] for name in model.instance_types if name in market.spot_usd]
        dear = [
            found for name in model.instance_types if (found := market.on_demand_usd.get(name) or listed_price(name))
        ]
        if not spot or not dear:
            return None
        saved += model.most_spot_nodes * (max(dear) - min(spot))
    return round(cost.most_usd - saved, 3)


def _types(model: Model, market: Market) -> list[TypeRow]:
    others = [each.name for each in known().values() if bool(each.gpus) == (model.engine == "vllm")]
    names = [*model.instance_types, *(name for name in others if name not in model.instance_types)]
    return [_row(model, name, market) for name in names]


def _row(model: Model, name: str, market: Market) -> TypeRow:
    vllm = model.vllm
    one = Choice((name,), model.engine, model.gpu_memory_gib, vllm.tensor_parallel_size, vllm.dtype, vllm.quantization)
    why_not = problems(one)
    if not why_not and name not in model.instance_types:  # alone it fits; beside the others it may be too fast or slow
        why_not = problems(_beside(model, name))
    zones = market.zones.get(name)
    return TypeRow(
        model.name,
        name,
        name in model.instance_types,
        "; ".join(why_not),
        market.on_demand_usd.get(name) or listed_price(name),
        market.spot_usd.get(name),
        None if zones is None else tuple(zones),
    )


def _beside(model: Model, name: str) -> Choice:
    types: Sequence[str] = (*model.instance_types, name)
    vllm = model.vllm
    return Choice(types, model.engine, model.gpu_memory_gib, vllm.tensor_parallel_size, vllm.dtype, vllm.quantization)
