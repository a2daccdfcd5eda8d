"""Launches one instance for a group: which market, which zone, which type."""

from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG
from moto.core.exceptions import ServiceException
from moto.ec2.models.instance_types import INSTANCE_TYPES

from localcloud.aws.autoscaling.activity import FAILED
from localcloud.aws.autoscaling.capacity import ON_DEMAND, SPOT, emptiest_first, on_demand_wanted
from localcloud.aws.autoscaling.member import Member
from localcloud.aws.ec2.errors import InvalidInstanceTypeError

CAUSE = "an instance was started in response to a difference between desired and actual capacity."
REFUSALS = (ServiceException, LookupError)  # LookupError: all addresses of this cloud are taken


def launch(group: Any) -> bool:
    """Launch an instance into the emptiest zone, trying the types in order there, then the other zones.

    Returns whether one was launched. Each zone in vain leaves a Failed activity with the last reason.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html (zones in turn)
    """
    counted = group.counted()
    on_demand = sum(each.market == ON_DEMAND for each in counted)
    market = ON_DEMAND if on_demand < on_demand_wanted(group.mixed_instances_policy, group.target()) else SPOT
    zones = [each.availability_zone for each in counted]
    for subnet, zone in emptiest_first(group.places(), lambda place: place[1], zones):
        reason: Exception | None = None
        for instance_type in group.types():
            try:
                instance = _run(group, market, subnet, zone, instance_type)
            except REFUSALS as error:
                reason = error
                continue
            activity = group.begin(f"Launching a new EC2 instance: {instance.id}", CAUSE)
            group.instance_states.append(Member(instance, group, group.template_version(), activity))
            return True
        _record_failure(group, reason)
    return False


def _run(group: Any, market: str, subnet: str | None, zone: str, instance_type: str) -> Any:
    if instance_type not in INSTANCE_TYPES:
        raise InvalidInstanceTypeError(instance_type)
    version = group.template_version()
    options: dict[str, Any] = {"launch_config": group.launch_config} if version is None else {}
    if version is not None:
        options["launch_template"] = {"LaunchTemplateId": version.template.id, "Version": str(version.number)}
    if market == SPOT:
        options["instance_market_options"] = "spot"
    reservation = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        list(group.security_groups),
        instance_type=instance_type,
        is_instance_type_default=False,
        tags={"instance": {**group.instance_tags, **group.get_propagated_tags(), ASG_NAME_TAG: group.name}},
        placement=zone,
        subnet_id=subnet,
        region_name=group.region,
        **options,
    )
    (instance,) = reservation.instances
    instance.autoscaling_group = group
    return instance


def _record_failure(group: Any, reason: Exception | None) -> None:
    code, text = getattr(reason, "code", type(reason).__name__), getattr(reason, "message", str(reason))
    activity = group.begin(
        f"Launching a new EC2 instance.  Status Reason: {text} Launching EC2 instance failed.", CAUSE
    )
    activity.finish(FAILED, f"{code}: {text} Launching EC2 instance failed.")
