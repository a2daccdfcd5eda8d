"""What Auto Scaling is told of a node's life: which market it comes from, and what its hooks wait for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_aws.autoscaling import (
    GroupInstanceRefreshArgsDict,
    GroupMixedInstancesPolicyInstancesDistributionArgsDict,
    GroupTagArgsDict,
    GroupWarmPoolArgsDict,
    Metric,
)

from inference_service import contract

LAUNCH_HOOK = "model-is-warm"
TERMINATE_HOOK = "answers-are-finished"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"

# Until the service runs nobody sends heartbeats: boot and installation have to fit. From then on the node sends them.
LAUNCH_HEARTBEAT_SECONDS = 600
DRAIN_MARGIN_SECONDS = 20
SETTLED_SECONDS = 30  # from InService, which means warm, until a node's metrics say something
# Nobody patches a node that runs: after so long it is replaced, through its hooks like any other. API: 1 to 365 days.
LIFETIME_SECONDS = 30 * 24 * 3600
LEAST_HEARTBEAT_SECONDS = 30  # API reference, PutLifecycleHook: 30 to 7200


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook, in the API's words."""

    name: str
    transition: str
    heartbeat_seconds: int
    default_result: str


def hooks(drain_seconds: int) -> tuple[Hook, Hook]:
    """A node is in service only when its model has answered, and gone only when its answers are finished.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
    """
    drained = max(LEAST_HEARTBEAT_SECONDS, drain_seconds + DRAIN_MARGIN_SECONDS)
    return (
        launch_hook(),
        # It terminates in any case; CONTINUE lets other hooks have their say.
        Hook(TERMINATE_HOOK, "autoscaling:EC2_INSTANCE_TERMINATING", drained, "CONTINUE"),
    )


def launch_hook() -> Hook:
    """A node that never becomes warm is no use in service: it is replaced."""
    return Hook(LAUNCH_HOOK, LAUNCHING, LAUNCH_HEARTBEAT_SECONDS, "ABANDON")


@dataclass(frozen=True)
class Distribution:
    """How a mixed instances policy buys; the fields of the API's InstancesDistribution that we set."""

    on_demand_percentage: int

    def inputs(self) -> GroupMixedInstancesPolicyInstancesDistributionArgsDict:
        """As Pulumi's inputs. No maximum price: AWS says that one causes more interruptions.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/mixed-instances-groups-set-up-overview.html
        """
        return {
            "on_demand_base_capacity": 0,
            "on_demand_percentage_above_base_capacity": self.on_demand_percentage,
            "on_demand_allocation_strategy": "lowest-price",
            "spot_allocation_strategy": "price-capacity-optimized",
        }


ALL_SPOT = Distribution(0)
ALL_ON_DEMAND = Distribution(100)


# A changed launch template rolls the group: a new node is warm before an old one drains, and when new ones do not
# become warm the old version comes back. That needs a numbered version, never $Latest.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
REFRESH: GroupInstanceRefreshArgsDict = {
    "strategy": "Rolling",
    "preferences": {
        "min_healthy_percentage": 100,
        "max_healthy_percentage": 110,
        "instance_warmup": str(SETTLED_SECONDS),
        "auto_rollback": True,
        "skip_matching": True,
    },
}


def warm_up_budget_seconds(load_timeout_seconds: int) -> int:
    """The longest that a node may take from launch to its first answer: it gives up itself after that."""
    return LAUNCH_HEARTBEAT_SECONDS + load_timeout_seconds


def warm_pool(nodes: int) -> GroupWarmPoolArgsDict | None:
    """Stopped nodes that have the model on their disk; for on-demand groups alone.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html
    """
    if not nodes:
        return None
    return {
        "pool_state": "Stopped",
        "min_size": nodes,
        "max_group_prepared_capacity": nodes,
        # Scale-in ends a node: what comes back has the newest template.
        "instance_reuse_policy": {"reuse_on_scale_in": False},
    }


def metrics() -> list[Metric]:
    """The group metrics that alarms and the dashboard read; AWS publishes none unless asked."""
    return [Metric(name) for name in contract.GROUP_METRICS]


def group_tags(tags: Mapping[str, str], max_hourly_usd: int) -> list[GroupTagArgsDict]:
    """Tags of a group that every instance of it gets too, and the stack's limit, where rules and people find it."""
    of_instances: list[GroupTagArgsDict] = [
        {"key": key, "value": value, "propagate_at_launch": True} for key, value in sorted(tags.items())
    ]
    limit: GroupTagArgsDict = {
        "key": contract.TAG_MAX_HOURLY_USD,
        "value": str(max_hourly_usd),
        "propagate_at_launch": False,
    }
    return [*of_instances, limit] if max_hourly_usd else of_instances
