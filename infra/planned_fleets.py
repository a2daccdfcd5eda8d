"""What the planner is told of a model's fleet: its groups, their limits and prices, and what is promised."""

from typing import TYPE_CHECKING

import pulumi

from infra import lifecycle
from infra.instance_types import lookup
from infra.planner.fleet import Fleet, Group, LaunchHook
from infra.vcpu_quotas import ON_DEMAND, SPOT, quota_of

if TYPE_CHECKING:
    from infra.components.gpu_fleet import GpuFleet
    from infra.settings import Model, StackSettings

SPOT_SHARE = 0.41  # of the on-demand price: the median of g5 and g6 zones in a public catalogue, undated
UNKNOWN_USD = 1.0  # a type without a listed price: only the ratio of spot to on-demand decides then


def planned_fleet(model: "Model", fleet: "GpuFleet", settings: "StackSettings") -> pulumi.Output[Fleet]:
    """Prices are those of the model's first type: all of them are of one throughput, and cost about the same."""
    known = lookup(model.instance_types[0])
    usd = (known and known.on_demand_usd_per_hour) or UNKNOWN_USD
    hook = lifecycle.launch_hook()
    names = pulumi.Output.all(fleet.spot_group.name, fleet.on_demand_group.name)
    return names.apply(
        lambda given: Fleet(
            model=model.name,
            groups=(
                Group(given[0], True, model.most_spot_nodes, round(SPOT_SHARE * usd, 4), *_quota(model, SPOT)),
                Group(given[1], False, model.most_on_demand_nodes, usd, *_quota(model, ON_DEMAND)),
            ),
            base_on_demand=model.on_demand_base_nodes,
            replica_tokens_per_second=model.replica_tokens_per_second,
            slo_wait_seconds=model.slo_wait_seconds,
            slo=model.slo,
            max_hourly_usd=settings.max_hourly_usd or None,
            least_nodes=model.least_nodes,
            launch_hook=LaunchHook(hook.name, hook.heartbeat_seconds, hook.default_result),
        )
    )


def _quota(model: "Model", market: str) -> tuple[str, int]:
    """The one quota that all types of the model count against, and the vCPUs of the largest of them."""
    codes = {quota and quota.code for quota in (quota_of(name, market) for name in model.instance_types)}
    vcpus = max((known.vcpus for name in model.instance_types if (known := lookup(name))), default=0)
    code = codes.pop() if len(codes) == 1 else None
    return (code, vcpus) if code and vcpus else ("", 0)
