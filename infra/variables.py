"""The variables that each service starts with; the names are contract.VAR_*. Pure."""

import json
from dataclasses import dataclass

from inference_service import contract
from infra import lifecycle
from infra.settings import Model, StackSettings

# A request may wait silently for a node as long as longest_wait_seconds: the load balancer must not give up before.
IDLE_MARGIN_SECONDS = 20


def balancer_idle_seconds(settings: StackSettings) -> int:
    """How long the load balancer keeps a connection on which nothing moves."""
    return settings.longest_wait_seconds + IDLE_MARGIN_SECONDS


@dataclass(frozen=True)
class Places:
    """Where the instances of one role find and leave things; names that AWS gave."""

    bucket: str
    log_group: str
    jobs_queue_url: str = ""  # nodes
    dead_letters_queue_url: str = ""
    api_keys_parameter: str = ""  # gateways
    node_token_parameter: str = ""
    node_token_key: str = ""  # gateways; empty for SSM's own key


def node_variables(settings: StackSettings, model: Model, places: Places, service_version: str) -> dict[str, str]:
    """What a node of `model` is told."""
    vllm = {contract.VAR_VLLM: json.dumps(model.vllm.model_dump(exclude_none=True))} if model.engine == "vllm" else {}
    return {
        **_common(settings, places, service_version),
        contract.VAR_MODEL: model.name,
        contract.VAR_ENGINE: model.engine,
        contract.VAR_CONTEXT_TOKENS: str(model.context_tokens),
        contract.VAR_SLOTS: str(model.slots),
        contract.VAR_QUEUE: str(model.slots),
        contract.VAR_NODE_TOKEN_PARAMETER: places.node_token_parameter,
        contract.VAR_JOBS_QUEUE_URL: places.jobs_queue_url,
        contract.VAR_DEAD_LETTERS_QUEUE_URL: places.dead_letters_queue_url,
        contract.VAR_LOAD_TIMEOUT_SECONDS: str(model.load_timeout_seconds),
        contract.VAR_LAUNCH_HOOK: lifecycle.LAUNCH_HOOK,
        contract.VAR_TERMINATE_HOOK: lifecycle.TERMINATE_HOOK,
        contract.VAR_DRAIN_SECONDS: str(settings.node_drain_seconds),
        contract.VAR_REBALANCE_REACTION: settings.rebalance_reaction,
        contract.VAR_POINTER_POLL_SECONDS: f"{settings.poll_seconds.pointer:g}",
        contract.VAR_METADATA_POLL_SECONDS: f"{settings.poll_seconds.metadata:g}",
        **vllm,
    }


def gateway_variables(settings: StackSettings, places: Places, service_version: str) -> dict[str, str]:
    """What a gateway is told."""
    # The gateway must be the one that keeps idle connections longer: else the load balancer uses one that is closing.
    idle = balancer_idle_seconds(settings) + IDLE_MARGIN_SECONDS
    return {
        **_common(settings, places, service_version),
        contract.VAR_MODELS: ",".join(model.name for model in settings.models),
        contract.VAR_API_KEYS_PARAMETER: places.api_keys_parameter,
        contract.VAR_NODE_TOKEN_PARAMETER: places.node_token_parameter,
        **({contract.VAR_NODE_TOKEN_KEY: places.node_token_key} if places.node_token_key else {}),
        contract.VAR_SLO_WAIT_SECONDS: json.dumps({model.name: model.slo_wait_seconds for model in settings.models}),
        contract.VAR_GATEWAYS: str(settings.gateway_nodes),
        contract.VAR_GATEWAY_PORT: str(settings.gateway_instance_port),
        contract.VAR_DISCOVERY_POLL_SECONDS: f"{settings.poll_seconds.discovery:g}",
        contract.VAR_READINESS_POLL_SECONDS: f"{settings.poll_seconds.readiness:g}",
        contract.VAR_FIGURES_SECONDS: f"{settings.poll_seconds.figures:g}",
        contract.VAR_LONGEST_WAIT_SECONDS: str(settings.longest_wait_seconds),
        contract.VAR_DRAIN_SECONDS: str(settings.gateway_drain_seconds),
        contract.VAR_IDLE_CONNECTION_SECONDS: str(idle),
    }


def _common(settings: StackSettings, places: Places, service_version: str) -> dict[str, str]:
    return {
        contract.VAR_ENVIRONMENT: settings.environment,
        contract.VAR_REGION: settings.region,
        contract.VAR_BUCKET: places.bucket,
        contract.VAR_LOG_GROUP: places.log_group,
        contract.VAR_SERVICE_VERSION: service_version,
        contract.VAR_CONNECTION: settings.connection,
        contract.VAR_NODE_PORT: str(contract.NODE_PORT),
    }
