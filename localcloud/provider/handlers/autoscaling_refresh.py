"""The instance refresh that an update of a group starts.

Which changes start one, what it is told and that nobody waits for its end is as in Pulumi's provider:
https://www.pulumi.com/registry/packages/aws/api-docs/autoscaling/group/#groupinstancerefresh

That provider changes the group first and starts the refresh then. Auto rollback goes back to what the group was set to
before the refresh began (instance-refresh-rollback.html in the user guide), which by then is the new template: the old
one does not return (hashicorp/terraform-provider-aws issue 34189). It is the same here.
"""

import re
from typing import Any

from botocore.exceptions import ClientError

from localcloud.provider.errors import ProviderError
from localcloud.provider.handlers.autoscaling_calls import source
from localcloud.provider.resource import Aws, names, pascal
from localcloud.provider.values import Properties

PREFERENCES = names("""minHealthyPercentage maxHealthyPercentage instanceWarmup autoRollback skipMatching
    scaleInProtectedInstances standbyInstances""")
INPUTS = names("strategy triggers") | frozenset(f"preferences.{name}" for name in PREFERENCES)
DEFAULTS: Properties = {
    "minHealthyPercentage": 90,
    "maxHealthyPercentage": 100,
    "autoRollback": False,
    "skipMatching": False,
    "scaleInProtectedInstances": "Ignore",
    "standbyInstances": "Ignore",
}
ALWAYS = ("launchTemplate", "mixedInstancesPolicy")
# Triggers bear Terraform's names. Those that Pulumi does not only write in another way:
PLURALS = {"tag": "tags", "vpcZoneIdentifier": "vpcZoneIdentifiers"}
ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking")
CANCEL_SECONDS = 900.0  # as Pulumi's provider waits for a cancelled refresh


def wanted(inputs: Properties, known: Properties, properties: frozenset[str]) -> bool:
    """Whether the change from the `known` state to `inputs` starts a refresh.

    Raises:
        ProviderError: a trigger is none of the group's `properties`.
    """
    refresh = inputs.get("instanceRefresh")
    if refresh is None:
        return False
    triggers = [_property(each, properties) for each in refresh.get("triggers", [])]
    return any(_changed(inputs, known, each) for each in (*ALWAYS, *triggers))


def request(name: str, inputs: Properties) -> dict[str, Any]:
    """The arguments of StartInstanceRefresh: auto rollback is refused without a desired configuration."""
    refresh = inputs["instanceRefresh"]
    asked: dict[str, Any] = {"AutoScalingGroupName": name, "Strategy": refresh["strategy"]}
    if "preferences" in refresh:
        preferences = {**DEFAULTS, **refresh["preferences"]}
        if "instanceWarmup" in preferences:
            preferences["instanceWarmup"] = int(preferences["instanceWarmup"])
        asked["Preferences"] = pascal(preferences)
        if preferences["autoRollback"]:
            asked["DesiredConfiguration"] = source(inputs)
    return asked


def start(aws: Aws, name: str, inputs: Properties) -> None:
    """Start a refresh, after cancelling one that is under way: a group has one at a time."""
    client, asked = aws.client("autoscaling"), request(name, inputs)
    try:
        client.start_instance_refresh(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InstanceRefreshInProgress":
            raise
        _cancel(aws, name)
        client.start_instance_refresh(**asked)


def _cancel(aws: Aws, name: str) -> None:
    client = aws.client("autoscaling")
    try:
        client.cancel_instance_refresh(AutoScalingGroupName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ActiveInstanceRefreshNotFound":
            raise

    def ended() -> bool:
        refreshes = client.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
        return not any(each["Status"] in ACTIVE for each in refreshes)

    aws.waiting.until(ended, CANCEL_SECONDS, f"the instance refresh of group {name} is cancelled")


def _property(trigger: str, properties: frozenset[str]) -> str:
    camel = re.sub("_([a-z])", lambda found: found[1].upper(), trigger)
    name = PLURALS.get(camel, camel)
    if name not in properties or camel in PLURALS.values():
        raise ProviderError(
            f"{trigger!r} in instanceRefresh.triggers is no property of a group; give Terraform's name, such as "
            '"tag" or "vpc_zone_identifier"'
        )
    return name


def _changed(inputs: Properties, known: Properties, name: str) -> bool:
    """AWS adds defaults to what it was given: those are no change."""
    before, after = known.get(name), inputs.get(name)
    if after is None:
        return isinstance(before, list) and bool(before)
    return not _covers(before, after)


def _covers(present: Any, given: Any) -> bool:
    if isinstance(given, dict):
        return isinstance(present, dict) and all(_covers(present.get(key), value) for key, value in given.items())
    if isinstance(given, list):
        same_length = isinstance(present, list) and len(present) == len(given)
        return same_length and all(_covers(*pair) for pair in zip(present, given, strict=True))
    return bool(present == given)
