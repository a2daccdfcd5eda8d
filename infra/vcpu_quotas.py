"""Which of an account's vCPU quotas the nodes of a stack count against. Pure.

https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from infra.instance_types import lookup

SPOT, ON_DEMAND = "spot", "on demand"


@dataclass(frozen=True)
class Quota:
    """One quota in vCPUs; `code` is Service Quotas' own, of the service ec2."""

    code: str
    name: str
    market: str
    families: str  # a pattern of the letters before a type's generation


QUOTAS = (
    Quota("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", SPOT, r"[acdhimrtz].*"),
    Quota("L-3819A6DF", "All G and VT Spot Instance Requests", SPOT, r"g.*|vt"),
    Quota("L-C4BD4855", "All P5 Spot Instance Requests", SPOT, r"p5"),
    Quota("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", SPOT, r"p[234]"),
    Quota("L-1216C47A", "Running On-Demand Standard instances", ON_DEMAND, r"[acdhimrtz].*"),
    Quota("L-DB2E81BA", "Running On-Demand G and VT instances", ON_DEMAND, r"g.*|vt"),
    Quota("L-417A185B", "Running On-Demand P instances", ON_DEMAND, r"p.*"),
)


@dataclass(frozen=True)
class Demand:
    """Nodes of one market; each may be any of `types`."""

    market: str
    types: Sequence[str]
    most: int


def needed(demands: Sequence[Demand]) -> dict[Quota, int]:
    """vCPUs that a full stack counts against each quota. Of types in several families, each may take all nodes."""
    found: dict[Quota, int] = {}
    for demand in demands:
        most: dict[Quota, int] = {}
        for name in demand.types:
            quota, known = quota_of(name, demand.market), lookup(name)
            if quota and known:
                most[quota] = max(most.get(quota, 0), known.vcpus * demand.most)
        for quota, vcpus in most.items():
            found[quota] = found.get(quota, 0) + vcpus
    return {quota: vcpus for quota, vcpus in found.items() if vcpus}


def quota_of(name: str, market: str) -> Quota | None:
    """The quota of a type, such as g6.xlarge; None for a family that has one of its own."""
    family = re.match(r"(p\d|[a-z]+)", name)
    matching = [each for each in QUOTAS if each.market == market and family and re.fullmatch(each.families, family[1])]
    return matching[0] if matching else None
