"""The warm pool of a group.

https://www.pulumi.com/registry/packages/aws/api-docs/autoscaling/group/#groupwarmpool
"""

from typing import Any

from botocore.exceptions import ClientError

from localcloud.provider.resource import Aws, camel, names, pascal
from localcloud.provider.values import Properties

INPUTS = names("poolState minSize maxGroupPreparedCapacity instanceReusePolicy.reuseOnScaleIn")
NO_MAXIMUM = -1  # what Pulumi's provider sends and shows where none is given
DELETE_SECONDS = 600.0


def shown(group: Any) -> Properties:
    """The pool as an output; nothing where there is none."""
    if not (pool := group.get("WarmPoolConfiguration")):
        return {}
    return {"warmPool": {"maxGroupPreparedCapacity": NO_MAXIMUM, "minSize": 0, **camel(pool)}}


def bring(aws: Aws, group: Any, inputs: Properties) -> None:
    """Put, change or delete the pool until it is what the inputs say."""
    name, wanted, present = group["AutoScalingGroupName"], inputs.get("warmPool"), shown(group).get("warmPool")
    if wanted is None:
        if present is not None:
            delete(aws, name, force=_forced(inputs))
    elif present is None or any(present.get(key) != value for key, value in _complete(wanted).items()):
        given = _complete(wanted)
        if not given.get("minSize"):
            # A minimum of 0 is not sent, so that one set before stays: hashicorp/terraform-provider-aws issue 44732.
            given.pop("minSize", None)
        aws.client("autoscaling").put_warm_pool(AutoScalingGroupName=name, **pascal(given))


def delete_with_group(aws: Aws, group: Any, known: Properties) -> None:
    """Delete the pool, if there is one, before its group."""
    if group.get("WarmPoolConfiguration"):
        delete(aws, group["AutoScalingGroupName"], force=_forced(known))


def delete(aws: Aws, name: str, *, force: bool) -> None:
    """Empty the pool, wait, delete it; with `force` at once."""
    client = aws.client("autoscaling")

    def instances() -> list[Any]:
        return list(client.describe_warm_pool(AutoScalingGroupName=name)["Instances"])

    if not force:
        client.put_warm_pool(AutoScalingGroupName=name, MaxGroupPreparedCapacity=0, MinSize=0)
        aws.waiting.until(lambda: not instances(), DELETE_SECONDS, f"the warm pool of group {name} is empty")
    try:
        client.delete_warm_pool(AutoScalingGroupName=name, ForceDelete=force)
    except ClientError as error:
        if "No warm pool found" not in str(error):
            raise


def _complete(wanted: Properties) -> Properties:
    return {"maxGroupPreparedCapacity": NO_MAXIMUM, **wanted}


def _forced(properties: Properties) -> bool:
    return bool(properties.get("forceDelete") or properties.get("forceDeleteWarmPool"))
