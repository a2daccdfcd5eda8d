"""The whole stack, from settings to outputs. Read this first: each component is one file in components/."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra import alarms, dashboard, lifecycle
from infra.components.alarm_topic import AlarmTopic, AlarmTopicArgs
from infra.components.budget import Budget, BudgetArgs
from infra.components.gateway_role import GatewayRole, GatewayRoleArgs
from infra.components.gateway_tier import GatewayTier, GatewayTierArgs
from infra.components.gpu_fleet import GpuFleet, GpuFleetArgs
from infra.components.interruptions import LAUNCH_FAILED, SPOT_NOTICE, Interruptions, InterruptionsArgs
from infra.components.launch_template import Machine
from infra.components.log_group import LogGroup
from infra.components.node_role import NodeRole, NodeRoleArgs
from infra.components.observability import Observability, ObservabilityArgs
from infra.components.planner import Planner, PlannerArgs, package_digest
from infra.components.safety_net import SafetyNet, SafetyNetArgs
from infra.components.secret_parameter import SecretParameter, SecretParameterArgs
from infra.components.service_bundle import bundle_version
from infra.components.work_queue import WorkQueue, WorkQueueArgs
from infra.foundation import Foundation
from infra.hourly_cost import estimate
from infra.order import GATEWAY_VOLUME_GIB, order
from infra.planned_fleets import planned_fleet
from infra.planner.fleet import as_variable
from infra.safety_net import missing_spot, waiting_work
from infra.settings import Model, StackSettings
from infra.user_data import Boot, render
from infra.variables import Places, balancer_idle_seconds, gateway_variables, node_variables

BUNDLE_FOLDER = Path(__file__).resolve().parents[1] / "build" / "service"

# Public parameters that name the newest image.
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
GPU_IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
ENGINE_IMAGES = {"llama.cpp": UBUNTU, "vllm": GPU_IMAGE}


def build(settings: StackSettings, bundle_folder: Path = BUNDLE_FOLDER) -> dict[str, Any]:
    """Declare every resource of the stack; returns its outputs, named as in contract.py (OUTPUT_*).

    Raises:
        BundleMissingError: the service bundle is not built.
        NetworkError: the existing VPC, or a subnet of it, does not fit.
    """
    bundle_version(bundle_folder)  # before anything is declared: without it nothing shall be made
    if settings.planner:
        package_digest(bundle_folder)
    return _Stack(settings, bundle_folder).build()


class _Stack:
    """What serves: gateways, a fleet for each model, and what watches them; all of it stands on the foundation."""

    def __init__(self, settings: StackSettings, bundle_folder: Path) -> None:
        self.settings, self.bundle_folder = settings, bundle_folder
        self.base = Foundation(settings, bundle_folder)
        self.opts = self.base.opts

    def build(self) -> dict[str, Any]:
        base = self.base
        keys = self._secret("api-keys", '{"keys": []}', "Hashes of the API keys that the gateways accept")
        self.token = self._secret("node-token", '{"tokens": []}', "The token by which nodes know their gateways")
        gateways = self._gateways(keys)
        fleets = {model.name: self._fleet(model, gateways) for model in self.settings.models}
        interruptions = Interruptions("interruptions", InterruptionsArgs(base.key_arn), self.opts)
        topic = self._topic()
        if self.settings.planner:
            self._planner(fleets, gateways, interruptions)
            self._safety_nets(fleets, topic)
        watched = self._watch(gateways, fleets, interruptions, topic)
        return {
            contract.OUTPUT_REGION: self.settings.region,
            contract.OUTPUT_ENVIRONMENT: self.settings.environment,
            contract.OUTPUT_BUCKET: base.bucket.bucket_name,
            contract.OUTPUT_GATEWAY_URL: gateways.front.url,
            contract.OUTPUT_GATEWAY_GROUP: gateways.group.name,
            contract.OUTPUT_FLEETS: {name: fleet.outputs() for name, fleet in fleets.items()},
            contract.OUTPUT_SERVICE_VERSION: base.bundle.version,
            contract.OUTPUT_PROMOTER_ROLE: base.promoter.arn,
            contract.OUTPUT_API_KEYS_PARAMETER: keys.name,
            contract.OUTPUT_INTERRUPTIONS_QUEUE: interruptions.url,
            contract.OUTPUT_ALARM_TOPIC: topic.arn,
            contract.OUTPUT_DASHBOARD: watched.dashboard_name,
            contract.OUTPUT_HOURLY_USD: self._cost(),
        }

    def _connection(self) -> dict[str, str]:
        return {contract.TAG_CONNECTION: self.settings.connection}

    def _cost(self) -> dict[str, Any]:
        """What `pulumi up` prints of money, before the first bill."""
        cost = estimate(order(self.settings))
        return {"idle": cost.idle_usd, "most": cost.most_usd, "unpriced": list(cost.unpriced), "note": cost.note}

    def _secret(self, name: str, empty: str, description: str) -> SecretParameter:
        return SecretParameter(name, SecretParameterArgs(description, empty, self.base.key_arn), self.opts)

    def _gateways(self, keys: SecretParameter) -> GatewayTier:
        settings, base = self.settings, self.base
        logs = LogGroup("gateway", settings.log_retention_days, base.key_arn, self.opts)
        role = GatewayRole(
            "gateway", GatewayRoleArgs(base.bucket.arn, keys.arn, self.token.arn, logs.arn, base.key_arn), self.opts
        )
        tags = {**base.tags, **self._connection(), contract.TAG_ROLE: contract.ROLE_GATEWAY}
        args = GatewayTierArgs(
            subnets=base.subnets,
            nodes=settings.gateway_nodes,
            port=settings.listener_port,
            instance_port=settings.gateway_instance_port,
            certificate_arn=settings.certificate_arn,
            allowed_cidrs=settings.allowed_cidrs,
            ssh_security_group_id=settings.ssh_security_group_id,
            idle_seconds=balancer_idle_seconds(settings),
            drain_seconds=settings.gateway_drain_seconds,
            logs=base.logs,
            tags=tags,
            max_hourly_usd=settings.max_hourly_usd,
            after=[*base.before_boot(), role],
        )
        user_data = pulumi.Output.all(
            base.bucket.bucket_name, logs.name, keys.name, self.token.name, base.key_arn or ""
        ).apply(lambda names: self._gateway_boot(Places(names[0], names[1], "", "", *names[2:])))
        machine = Machine(
            instance_type=settings.gateway_instance_type,
            image_id=self._image(UBUNTU),
            profile_arn=role.profile_arn,
            user_data=user_data,
            root_volume_gib=GATEWAY_VOLUME_GIB,
            key_arn=base.key_arn,
            key_name=settings.ssh_key_name or None,
            tags=tags,
        )
        return GatewayTier("gateway", args, machine, self.opts)

    def _fleet(self, model: Model, gateways: GatewayTier) -> GpuFleet:
        base, name = self.base, model.name
        jobs = WorkQueue(f"{name}-jobs", WorkQueueArgs(base.key_arn), self.opts)
        logs = LogGroup(f"{name}-node", self.settings.log_retention_days, base.key_arn, self.opts)
        queues = jobs.queue.arn, jobs.dead_letters.arn
        role_args = NodeRoleArgs(base.bucket.arn, name, *queues, self.token.arn, logs.arn, base.key_arn)
        role = NodeRole(f"{name}-node", role_args, self.opts)
        tags = {**base.tags, **self._connection(), contract.TAG_ROLE: contract.ROLE_NODE, contract.TAG_MODEL: name}
        user_data = pulumi.Output.all(
            bucket=base.bucket.bucket_name,
            log_group=logs.name,
            jobs_queue_url=jobs.queue.url,
            dead_letters_queue_url=jobs.dead_letters.url,
            node_token_parameter=self.token.name,
        ).apply(lambda names: self._node_boot(model, Places(**names)))
        machine = Machine(
            instance_type=model.instance_types[0],
            image_id=self._image(model.image_parameter or ENGINE_IMAGES[model.engine]),
            profile_arn=role.profile_arn,
            user_data=user_data,
            root_volume_gib=model.root_volume_gib,
            key_arn=base.key_arn,
            key_name=self.settings.ssh_key_name or None,
            tags=tags,
        )
        args = GpuFleetArgs(
            model=model,
            subnets=base.subnets,
            role=role,
            jobs=jobs,
            gateway_security_group_id=gateways.security_group_id,
            ssh_security_group_id=self.settings.ssh_security_group_id,
            machine=machine,
            node_drain_seconds=self.settings.node_drain_seconds,
            rebalance_reaction=self.settings.rebalance_reaction,
            tags=tags,
            max_hourly_usd=self.settings.max_hourly_usd,
            planned=self.settings.planner,
            after=base.before_boot(),
        )
        return GpuFleet(name, args, self.opts)

    def _planner(self, fleets: dict[str, GpuFleet], gateways: GatewayTier, interruptions: Interruptions) -> Planner:
        base = self.base
        logs = LogGroup("planner", self.settings.log_retention_days, base.key_arn, self.opts)
        told = [planned_fleet(model, fleets[model.name], self.settings) for model in self.settings.models]
        args = PlannerArgs(
            folder=self.bundle_folder,
            environment=self.settings.environment,
            bucket=base.bucket.bucket_name,
            bucket_arn=base.bucket.arn,
            fleets=pulumi.Output.all(*told).apply(as_variable),
            group_arns=[group.arn for fleet in fleets.values() for group in fleet.groups()],
            gateway_group=gateways.group.name,
            interruptions_url=interruptions.url,
            interruptions_arn=interruptions.arn,
            log_group_name=logs.name,
            log_group_arn=logs.arn,
            key_arn=base.key_arn,
        )
        return Planner("planner", args, self.opts)

    def _safety_nets(self, fleets: dict[str, GpuFleet], topic: AlarmTopic) -> None:
        """For when the planner is dead."""
        environment = self.settings.environment
        for model in self.settings.models:
            fleet = fleets[model.name]
            args = SafetyNetArgs(
                spot_group=fleet.spot_group.name,
                on_demand_group=fleet.on_demand_group.name,
                waiting=waiting_work(fleet.names(), environment, model.replica_tokens_per_second),
                missing=missing_spot(fleet.names(), environment, model.on_demand_base_nodes),
                topic_arn=topic.arn,
            )
            SafetyNet(f"{model.name}-net", args, self.opts)

    def _topic(self) -> AlarmTopic:
        base, settings = self.base, self.settings
        topic = AlarmTopic("alarms", AlarmTopicArgs(base.account_id, settings.alarm_email, base.key_arn), self.opts)
        if settings.monthly_budget_usd:
            Budget("monthly", BudgetArgs(settings.monthly_budget_usd, topic.arn), self.opts)
        return topic

    def _watch(
        self, gateways: GatewayTier, fleets: dict[str, GpuFleet], interruptions: Interruptions, topic: AlarmTopic
    ) -> Observability:
        balancer, targets = gateways.front.balancer.arn_suffix, gateways.front.targets.arn_suffix
        rules = interruptions.rules
        watched = alarms.of_stack(rules[SPOT_NOTICE].name, rules[LAUNCH_FAILED].name, balancer, targets)
        for model in self.settings.models:
            budget_seconds = lifecycle.warm_up_budget_seconds(model.load_timeout_seconds)
            watched += alarms.of_fleet(fleets[model.name].names(), budget_seconds)
            if self.settings.planner:
                watched += alarms.of_planner(self.settings.environment, model.name)
        names = [fleet.names() for fleet in fleets.values()]
        planned = self.settings.environment if self.settings.planner else None
        shown = dashboard.body(self.settings.region, names, balancer, targets, planned)
        return Observability("fleet", ObservabilityArgs(watched, shown, topic.arn), self.opts)

    def _gateway_boot(self, places: Places) -> str:
        variables = gateway_variables(self.settings, places, self.base.bundle.version)
        return render(Boot(contract.ROLE_GATEWAY, variables))

    def _node_boot(self, model: Model, places: Places) -> str:
        variables = node_variables(self.settings, model, places, self.base.bundle.version)
        return render(Boot(contract.ROLE_NODE, variables))

    def _image(self, parameter: str) -> pulumi.Output[str]:
        found = aws.ssm.get_parameter_output(name=parameter, opts=self.base.ask)
        return found.insecure_value  # `value` counts as a secret, which an image's id is not
