"""What a stack costs an hour, at least and at most. An estimate to decide by before the first bill. Pure.

Unit prices of us-east-1 in USD. AWS's own pages have the last word: https://aws.amazon.com/vpc/pricing/,
https://aws.amazon.com/privatelink/pricing/, https://aws.amazon.com/elasticloadbalancing/pricing/,
https://aws.amazon.com/ebs/pricing/, https://aws.amazon.com/kms/pricing/. Requests, traffic, objects, logs and alarms
come on top. Spot costs less than on demand, so counting all nodes as on demand bounds the bill from above.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infra.instance_types import PRICES_OF, lookup

HOURS_A_MONTH = 730
Price = Callable[[str], float | None]  # of a type, USD an hour
NAT_USD = 0.045  # 2026-06: https://www.zacfukuda.com/blog/aws-nat-gateway-vs-vpc-endpoint
ENDPOINT_USD = 0.01  # per zone; the same page
# Since 2024-02: https://community.aws/content/2c6cKl0W4KQZIO6dWnnDHs1tHSp/aws-to-charge-public-ipv4-addresses
PUBLIC_ADDRESS_USD = 0.005
# With one capacity unit; 2026-09:
# https://raw.githubusercontent.com/api-evangelist/amazon-elastic-load-balancing/refs/heads/main/plans/amazon-elastic-load-balancing-plans-pricing.yml
BALANCER_USD = 0.0225 + 0.008
# gp3; 2021-02: https://www.saisci.com/aws/gp2-vs-gp3-cost-comparison-ebs-volumes/
DISK_USD_PER_GIB = 0.08 / HOURS_A_MONTH
KEY_USD = 1 / HOURS_A_MONTH  # AWS's own page, undated
PRICED_REGION = "us-east-1"


@dataclass(frozen=True)
class Nodes:
    """Instances of one kind, of which each may be any of `types`; `idle` of `most` always run.

    Attributes:
        stopped: those of a warm pool, beside the others: their disks are paid for as long as the pool exists.
    """

    types: Sequence[str]
    idle: int
    most: int
    disk_gib: int
    stopped: int = 0


@dataclass(frozen=True)
class Order:
    """What a stack buys."""

    region: str
    nodes: Sequence[Nodes]
    nat_gateways: int = 0
    interface_endpoints: int = 0  # times zones
    keys: int = 0


@dataclass(frozen=True)
class Line:
    """What a part of an order costs an hour."""

    what: str
    idle_usd: float
    most_usd: float


@dataclass(frozen=True)
class HourlyCost:
    """`idle_usd` while no node runs, `most_usd` with every group full of the dearest type at on-demand prices.

    Attributes:
        unpriced: types without a known price, which count as nothing: with them, both sums are too low.
    """

    idle_usd: float
    most_usd: float
    unpriced: tuple[str, ...]
    note: str
    lines: tuple[Line, ...] = ()


def estimate(order: Order, price: Price | None = None) -> HourlyCost:
    """Idle and most, and the lines that they are the sums of; `price` of a type takes the place of the file's."""
    price = price or listed_price
    lines = tuple(line for line in _lines(order, price) if line.most_usd)
    idle, most = sum(line.idle_usd for line in lines), sum(line.most_usd for line in lines)
    unpriced = sorted({name for nodes in order.nodes for name in nodes.types if price(name) is None})
    other = "" if order.region == PRICED_REGION else f", which is not {order.region}"
    note = f"on-demand prices of {PRICED_REGION}{other}, instances as of {PRICES_OF}"
    return HourlyCost(round(idle, 3), round(most, 3), tuple(unpriced), note, lines)


def network_choices(zones: int, endpoints: int) -> dict[str, float]:
    """The hourly price of each `egress`; `endpoints` are the AWS services that a zone would have one for each."""
    prices = {
        "nat": way_out_usd(1, 0),
        "nat_per_zone": way_out_usd(zones, 0),
        "interface_endpoints": way_out_usd(0, zones * endpoints),
    }
    return {egress: round(usd, 3) for egress, usd in prices.items()}


def way_out_usd(nat_gateways: int, interface_endpoints: int) -> float:
    """The hourly price of the way to the AWS APIs; on top, NAT gateways bill $0.045 a GB and endpoints $0.01."""
    return nat_gateways * (NAT_USD + PUBLIC_ADDRESS_USD) + interface_endpoints * ENDPOINT_USD


def _lines(order: Order, price: Price) -> Iterator[Line]:
    yield _constant("load balancer", BALANCER_USD)
    yield _constant("NAT gateways", way_out_usd(order.nat_gateways, 0))
    yield _constant("interface endpoints", way_out_usd(0, order.interface_endpoints))
    yield _constant("KMS keys", order.keys * KEY_USD)
    for nodes in order.nodes:
        yield _of_nodes(nodes, price)


def _constant(what: str, usd: float) -> Line:
    return Line(what, usd, usd)


def _of_nodes(nodes: Nodes, price: Price) -> Line:
    disk = nodes.disk_gib * DISK_USD_PER_GIB
    each = max((found for name in nodes.types if (found := price(name)) is not None), default=0) + disk
    pool = nodes.stopped * disk
    return Line("instances of " + ", ".join(nodes.types), nodes.idle * each + pool, nodes.most * each + pool)


def listed_price(name: str) -> float | None:
    """The file's price of an hour on demand; None where it has none."""
    found = lookup(name)
    return found.on_demand_usd_per_hour if found else None
