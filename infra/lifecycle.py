"""What Auto Scaling is told of a node's life: which market it comes from, and what its hooks wait for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pulumi_aws.autoscaling import GroupMixedInstancesPolicyInstancesDistributionArgsDict, GroupTagArgsDict

LAUNCH_HOOK = "model-is-warm"
TERMINATE_HOOK = "answers-are-finished"

# Until the service runs nobody sends heartbeats: boot and installation have to fit. From then on the node sends them.
LAUNCH_HEARTBEAT_SECONDS = 600
DRAIN_MARGIN_SECONDS = 20
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
        # A node that never becomes warm is no use in service: it is replaced.
        Hook(LAUNCH_HOOK, "autoscaling:EC2_INSTANCE_LAUNCHING", LAUNCH_HEARTBEAT_SECONDS, "ABANDON"),
        # It terminates in any case; CONTINUE lets other hooks have their say.
        Hook(TERMINATE_HOOK, "autoscaling:EC2_INSTANCE_TERMINATING", drained, "CONTINUE"),
    )


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


def group_tags(tags: Mapping[str, str]) -> list[GroupTagArgsDict]:
    """Tags of a group that every instance of it gets too."""
    return [{"key": key, "value": value, "propagate_at_launch": True} for key, value in sorted(tags.items())]
