"""What a stack buys, by its settings. Pure."""

from typing import TYPE_CHECKING

from infra.hourly_cost import Nodes, Order
from infra.ways_out import INTERFACE_ENDPOINTS, NAT_PER_ZONE, SERVICES

if TYPE_CHECKING:
    from infra.settings import Model, StackSettings

GATEWAY_VOLUME_GIB = 16


def order(settings: "StackSettings") -> Order:
    """Gateways, both groups of each model, the way out and the key; an existing VPC's way out is not ours to pay."""
    own = not settings.vpc_id
    endpoints = own and settings.egress == INTERFACE_ENDPOINTS
    gateways = settings.zones if settings.egress == NAT_PER_ZONE else 1
    tier = Nodes(
        (settings.gateway_instance_type,), settings.gateway_nodes, settings.gateway_nodes + 1, GATEWAY_VOLUME_GIB
    )
    return Order(
        region=settings.region,
        nodes=(tier, *(_nodes(model) for model in settings.models)),
        nat_gateways=gateways if own and not endpoints else 0,
        interface_endpoints=settings.zones * len(SERVICES) if endpoints else 0,
        keys=int(settings.customer_managed_keys),
    )


def _nodes(model: "Model") -> Nodes:
    most = model.most_spot_nodes + model.most_on_demand_nodes
    return Nodes(model.instance_types, 0, most, model.root_volume_gib, stopped=model.warm_pool_nodes)
