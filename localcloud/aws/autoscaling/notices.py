"""What groups do about notices to their spot instances.

With Capacity Rebalancing a recommendation orders a replacement, which takes over when it is in service, and an
interruption notice ends the instance through its hooks at once. Without it a group does nothing before EC2 has taken
the instance; then its health check fails.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-capacity-rebalancing.html
"""

from typing import Any

from localcloud.aws.autoscaling import causes, lifecycle
from localcloud.aws.cloud import SpotNotice, current


def act_on_notices(backend: Any) -> None:
    """Let due notices take effect. `backend` is the Auto Scaling backend of one region."""
    now = current().clock.now()
    for instance_id, notice in list(current().spot.items()):
        if backend.ec2_backend.get_instance_by_id(instance_id) is None:
            continue  # of another region
        member = backend.member(instance_id)
        if member is not None and member.counted and member.auto_scaling_group.capacity_rebalance:
            _rebalance(member, notice)
        if notice.ends_at is not None and now >= notice.ends_at:
            backend.ec2_backend.take_back(instance_id)
            if member is not None and not member.counted:  # its hook cannot delay EC2
                member.auto_scaling_group.finish_termination(member)


def _rebalance(member: Any, notice: SpotNotice) -> None:
    group = member.auto_scaling_group
    if notice.ends_at is not None:
        group.begin_termination(member, causes.SPOT_INTERRUPTION)
    elif notice.present_before is None:
        notice.present_before = frozenset(each.instance_id for each in group.instance_states)
    elif any(
        each.instance_id not in notice.present_before and each.lifecycle_state == lifecycle.IN_SERVICE
        for each in group.instance_states
    ):
        group.begin_termination(member, causes.REBALANCE)
