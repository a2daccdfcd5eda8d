"""Warm pools: kept and shown. No instance is ever in one here: a group launches as if its pool were empty.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html
"""

from collections.abc import Mapping
from typing import Any

from moto.autoscaling.models import FakeWarmPool

from localcloud.aws.autoscaling.configuration import buys_spot, weighted
from localcloud.aws.autoscaling.errors import ValidationError

POOL_STATES = ("Stopped", "Running", "Hibernated")
NO_MAXIMUM = -1  # removes a MaxGroupPreparedCapacity given before


def check_policy(policy: Mapping[str, Any] | None) -> None:
    """Raises ValidationError for a mixed instances policy that has no warm pool.

    The user guide's limitations name Spot Instances. That weights are refused, too, is among the rules that the package
    cdk-preflight 0.0.143 has reproduced on AWS.
    """
    if buys_spot(policy):
        raise ValidationError(
            "A warm pool cannot be added to an Auto Scaling group with a mixed instances policy that launches Spot "
            "Instances: OnDemandPercentageAboveBaseCapacity must be 100"
        )
    if weighted(policy):
        raise ValidationError("A warm pool cannot be added to an Auto Scaling group whose types have weights")


def changed(present: FakeWarmPool | None, given: Mapping[str, Any]) -> FakeWarmPool:
    """PutWarmPool: what is not given stays. Raises ValidationError.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
    """
    most, least = given.get("MaxGroupPreparedCapacity"), given.get("MinSize")
    state = given.get("PoolState") or (present.pool_state if present else "Stopped")
    if state not in POOL_STATES:
        raise ValidationError(f"PoolState {state} must be one of {', '.join(POOL_STATES)}")
    if most is None and present:
        most = present.max_group_prepared_capacity
    if least is None and present:
        least = present.min_size
    reuse = given.get("InstanceReusePolicy") or (present.instance_reuse_policy if present else None)
    return FakeWarmPool(None if most == NO_MAXIMUM else most, least, state, reuse)
