"""What the builder of an image is launched with: all of it is what the model's nodes are launched with now."""

import base64
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from infra.stack import ENGINE_IMAGES
from infra.user_data import Boot, render_builder
from localcloud.user_data import read_variables
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.stack_outputs import FleetOutputs, StackOutputs

# All that a builder has to know; the other variables of a node are not for an image.
NEEDED = (
    contract.VAR_REGION,
    contract.VAR_BUCKET,
    contract.VAR_SERVICE_VERSION,
    contract.VAR_ENGINE,
    contract.VAR_CONNECTION,
)


@dataclass(frozen=True)
class Recipe:
    """`template` and `version` are of the launch template; `types` and `subnets` are tried in their order."""

    environment: str
    model: str
    service_version: str
    source_image: str
    template: str
    version: str
    types: tuple[str, ...]
    subnets: tuple[str, ...]
    user_data: str

    def tags(self) -> dict[str, str]:
        """Of the image and its snapshot."""
        return {
            contract.TAG_ENVIRONMENT: self.environment,
            contract.TAG_MODEL: self.model,
            contract.TAG_SERVICE_VERSION: self.service_version,
            contract.TAG_SOURCE_IMAGE: self.source_image,
        }


def read_recipe(aws: Aws, outputs: StackOutputs, fleet: FleetOutputs) -> Recipe:
    """Ask AWS what nodes of this fleet are launched with.

    Raises:
        CommandError: the stack has no launch template of a group of this model.
        botocore's errors.
    """
    group, policy = _policy(aws, fleet)
    given = policy["LaunchTemplateSpecification"]
    asked = {"LaunchTemplateId": given["LaunchTemplateId"], "Versions": [given["Version"]]}
    (version,) = aws.client("ec2").describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    variables = read_variables(base64.b64decode(data["UserData"]).decode())
    parameter = ENGINE_IMAGES[variables[contract.VAR_ENGINE]]
    boot = Boot(contract.ROLE_NODE, {name: variables[name] for name in NEEDED})
    types = [each["InstanceType"] for each in policy.get("Overrides", ()) if "InstanceType" in each]
    return Recipe(
        environment=outputs.environment,
        model=fleet.model,
        service_version=variables[contract.VAR_SERVICE_VERSION],
        source_image=str(aws.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]),
        template=given["LaunchTemplateId"],
        version=str(version["VersionNumber"]),
        types=tuple(types or [data["InstanceType"]]),
        subnets=tuple(group["VPCZoneIdentifier"].split(",")),
        user_data=render_builder(boot),
    )


def _policy(aws: Aws, fleet: FleetOutputs) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fleet's first group, and what it says about launches."""
    asked = {"AutoScalingGroupNames": list(fleet.groups[:1])}
    found = aws.client("autoscaling").describe_auto_scaling_groups(**asked)["AutoScalingGroups"] if fleet.groups else []
    policy = found[0].get("MixedInstancesPolicy", {}).get("LaunchTemplate") if found else None
    if not policy:
        raise CommandError(
            f"no Auto Scaling group of model {fleet.model} has a launch template ({', '.join(fleet.groups)}); "
            "`warmfleet drift` shows what was removed, `pulumi up` makes it again"
        )
    return found[0], policy
