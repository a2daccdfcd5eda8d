"""What scales out while the planner is dead: step policies of Auto Scaling itself, and the alarms that call them. Pure.

Both alarms are zero in every minute in which the planner made a plan, and speak only after SILENT_MINUTES without one:
when `planner-silent` does. A live planner never meets them, nor does one that a person has paused: it plans on.
Nothing here scales in, and a group's maximum bounds what is bought. https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
"""

from dataclasses import dataclass

from inference_service import contract
from infra.alarms import MINUTE, SILENT_MINUTES, Alarm, FleetNames, of_group, own


@dataclass(frozen=True)
class Step:
    """Add `nodes` where the alarm's figure is at least `at_least`, up to the next step."""

    at_least: float
    nodes: int


# A figure above zero is one node at least. While the nodes of one step warm up, Auto Scaling counts them as there.
STEPS = (Step(0, 1), Step(3, 2), Step(9, 4))


def waiting_work(fleet: FleetNames, environment: str, replica_tokens_per_second: float) -> Alarm:
    """Requests wait or were refused, and no node is on its way: more spot.

    The figure is one, and what waits in minutes of one node's work.
    """
    minute_tokens = max(1, round(replica_tokens_per_second * MINUTE))  # metric math takes no exponents
    waits = "FILL(w,0)+FILL(l,0) > 0 AND FILL(ps,0)+FILL(po,0) < 1"
    pending = [
        of_group(f"p{key}", contract.METRIC_GROUP_PENDING, group)
        for key, group in (("s", fleet.spot_group), ("o", fleet.on_demand_group))
    ]
    return Alarm(
        f"{fleet.model}-net-waiting-work",
        f"Nobody has planned the fleet for {SILENT_MINUTES} minutes, and work waits: Auto Scaling adds spot nodes.",
        (
            own("n", contract.METRIC_PLANS, environment, fleet.model),
            own("w", contract.METRIC_WAITING_TOKENS, environment, fleet.model),
            own("l", contract.METRIC_LATE_REQUESTS, environment, fleet.model),
            *pending,
        ),
        f"IF(FILL(n,0) < 1 AND {waits}, 1+FILL(w,0)/{minute_tokens}, 0)",
        MINUTE,
        SILENT_MINUTES,
    )


def missing_spot(fleet: FleetNames, environment: str, on_demand_base: int) -> Alarm:
    """Spot gives fewer nodes than it was asked for, and on-demand does not stand for them yet: more on-demand.

    The figure is the nodes that are missing.
    """
    wanted, ready, pending = (
        contract.METRIC_GROUP_DESIRED,
        contract.METRIC_GROUP_IN_SERVICE,
        contract.METRIC_GROUP_PENDING,
    )
    return Alarm(
        f"{fleet.model}-net-missing-spot",
        f"Nobody has planned the fleet for {SILENT_MINUTES} minutes, and spot is short: Auto Scaling adds on-demand "
        "nodes.",
        (
            own("n", contract.METRIC_PLANS, environment, fleet.model),
            of_group("ds", wanted, fleet.spot_group),
            of_group("rs", ready, fleet.spot_group),
            of_group("ps", pending, fleet.spot_group),
            of_group("do", wanted, fleet.on_demand_group),
        ),
        f"IF(FILL(n,0) < 1, FILL(ds,0)-FILL(rs,0)-FILL(ps,0)-FILL(do,0)+{on_demand_base}, 0)",
        MINUTE,
        SILENT_MINUTES,
    )
