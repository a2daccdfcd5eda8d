"""The whole stack, from settings to outputs. Read this first: each component is one file in components/."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.gateway_role import GatewayRole, GatewayRoleArgs
from infra.components.gateway_tier import GatewayTier, GatewayTierArgs
from infra.components.gpu_fleet import GpuFleet, GpuFleetArgs
from infra.components.launch_template import Machine
from infra.components.model_bucket import ModelBucket, ModelBucketArgs
from infra.components.network import Network, NetworkArgs
from infra.components.node_role import NodeRole, NodeRoleArgs
from infra.components.service_bundle import ServiceBundle, ServiceBundleArgs, bundle_version
from infra.settings import Model, StackSettings
from infra.user_data import Boot, render
from infra.variables import balancer_idle_seconds, gateway_variables, node_variables

BUNDLE_FOLDER = Path(__file__).resolve().parents[1] / "build" / "service"
ZONES = 2  # a load balancer wants two
GATEWAY_VOLUME_GIB = 16

# Public parameters that name the newest image. A new image is a new launch template version; running instances stay.
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
GPU_IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
ENGINE_IMAGES = {"llama.cpp": UBUNTU, "vllm": GPU_IMAGE}


def build(settings: StackSettings, bundle_folder: Path = BUNDLE_FOLDER) -> dict[str, Any]:
    """Declare every resource of the stack; returns its outputs, named as in contract.py (OUTPUT_*).

    Raises:
        BundleMissingError: the service bundle is not built.
    """
    bundle_version(bundle_folder)  # before anything is declared: without it nothing shall be made
    return _Stack(settings, bundle_folder).build()


class _Stack:
    """What the parts share while they are being declared."""

    def __init__(self, settings: StackSettings, bundle_folder: Path) -> None:
        self.settings = settings
        self.tags = {contract.TAG_ENVIRONMENT: settings.environment}
        self.provider = aws.Provider("aws", region=settings.region, default_tags={"tags": self.tags})
        self.opts = pulumi.ResourceOptions(providers=[self.provider])
        self.ask = pulumi.InvokeOptions(provider=self.provider)
        self.bucket = ModelBucket("models", ModelBucketArgs(settings.delete_models_on_destroy), self.opts)
        self.bundle = ServiceBundle(
            "service", ServiceBundleArgs(bundle_folder, self.bucket.bucket_name, [self.bucket]), self.opts
        )
        zones = aws.get_availability_zones(state="available", opts=self.ask).names[:ZONES]
        self.network = Network("network", NetworkArgs(settings.region, settings.vpc_cidr, zones), self.opts)

    def build(self) -> dict[str, Any]:
        gateways = self._gateways()
        fleets = {model.name: self._fleet(model, gateways) for model in self.settings.models}
        return {
            contract.OUTPUT_REGION: self.settings.region,
            contract.OUTPUT_ENVIRONMENT: self.settings.environment,
            contract.OUTPUT_BUCKET: self.bucket.bucket_name,
            contract.OUTPUT_GATEWAY_URL: gateways.url,
            contract.OUTPUT_GATEWAY_GROUP: gateways.group.name,
            contract.OUTPUT_FLEETS: {name: fleet.outputs() for name, fleet in fleets.items()},
            contract.OUTPUT_SERVICE_VERSION: self.bundle.version,
        }

    def _gateways(self) -> GatewayTier:
        settings = self.settings
        role = GatewayRole("gateway", GatewayRoleArgs(self.bucket.arn), self.opts)
        args = GatewayTierArgs(
            network=self.network,
            nodes=settings.gateway_nodes,
            port=settings.gateway_port,
            instance_port=settings.gateway_instance_port,
            client_cidrs=settings.client_cidrs,
            idle_seconds=balancer_idle_seconds(settings),
            drain_seconds=settings.gateway_drain_seconds,
            tags={**self.tags, contract.TAG_ROLE: contract.ROLE_GATEWAY},
            after=[self.network, self.bundle, role],
        )
        user_data = self.bucket.bucket_name.apply(self._gateway_boot)
        image = self._image(UBUNTU)
        machine = Machine(settings.gateway_instance_type, image, role.profile_arn, user_data, GATEWAY_VOLUME_GIB)
        return GatewayTier("gateway", args, machine, self.opts)

    def _fleet(self, model: Model, gateways: GatewayTier) -> GpuFleet:
        role = NodeRole(f"{model.name}-node", NodeRoleArgs(self.bucket.arn, model.name), self.opts)
        user_data = self.bucket.bucket_name.apply(lambda bucket: self._node_boot(model, bucket))
        image = self._image(ENGINE_IMAGES[model.engine])
        args = GpuFleetArgs(
            model=model,
            network=self.network,
            role=role,
            gateway_security_group_id=gateways.security_group_id,
            machine=Machine(model.instance_types[0], image, role.profile_arn, user_data, model.root_volume_gib),
            node_drain_seconds=self.settings.node_drain_seconds,
            tags={**self.tags, contract.TAG_ROLE: contract.ROLE_NODE, contract.TAG_MODEL: model.name},
            after=[self.network, self.bundle],
        )
        return GpuFleet(model.name, args, self.opts)

    def _gateway_boot(self, bucket: str) -> str:
        variables = gateway_variables(self.settings, bucket, self.bundle.version)
        return render(Boot(contract.ROLE_GATEWAY, variables, self.settings.gateway_drain_seconds))

    def _node_boot(self, model: Model, bucket: str) -> str:
        variables = node_variables(self.settings, model, bucket, self.bundle.version)
        return render(Boot(contract.ROLE_NODE, variables, self.settings.node_drain_seconds))

    def _image(self, parameter: str) -> pulumi.Output[str]:
        found = aws.ssm.get_parameter_output(name=parameter, opts=self.ask)
        return found.insecure_value  # `value` counts as a secret, which an image's id is not
