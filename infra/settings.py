"""The settings of Pulumi.<stack>.yaml: read once (infra/configuration.py), checked all at once, then frozen."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from infra import hourly_limit as limits
from infra import setting_mistakes as mistakes
from infra import setting_rules as rules

PROJECT = "warmfleet"
LEAST_UNPRIVILEGED_PORT = 1024  # services run without root; ip(7)
GATEWAY_PORT = 8080  # of a gateway whose load balancer listens below that
HTTP, HTTPS = 80, 443


class SettingsError(Exception):
    """Everything that is wrong with a stack file, at once."""


InstanceType = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$"), AfterValidator(rules.x86_64)]
Poll = Annotated[float, Field(ge=0.05, le=300)]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^'\x00-\x1f\x7f]+$")]
Switch = Annotated[bool, BeforeValidator(rules.true_or_false)]
PrivateRange = Annotated[str, AfterValidator(rules.private_range)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Vllm(_Frozen):
    """Options of `vllm serve`; what is not given is left to vLLM."""

    tensor_parallel_size: int = Field(default=1, ge=1, le=8, description="GPUs that share one copy of the model.")
    dtype: Word | None = Field(default=None, description="Number format of the weights, e.g. `bfloat16`.")
    quantization: Word | None = Field(default=None, description="Quantisation method, e.g. `fp8`.")
    extra_arguments: tuple[Word, ...] = Field(default=(), max_length=40, description="Further arguments, as they are.")


class Polls(_Frozen):
    """Seconds between two looks at something that changes by itself."""

    pointer: Poll = Field(default=5.0, description="A node's looks at which model version is wanted.")
    metadata: Poll = Field(default=2.0, description="A node's looks for a spot notice. AWS advises at most 5.")
    discovery: Poll = Field(default=15.0, description="A gateway's questions to EC2 for nodes. EC2 throttles.")
    readiness: Poll = Field(default=1.0, description="A gateway's questions to each node whether it is ready.")
    figures: Poll = Field(
        default=60.0,
        description="A gateway's reports to CloudWatch of what is asked; the planner wants one a minute from each.",
    )


class Model(_Frozen):
    """One model and its fleet: a spot group and an on-demand group of the same instance types."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$",
        description="The model's name in the API and in the bucket, 2 to 40 of a-z, 0-9 and -.",
    )
    engine: Literal["llama.cpp", "vllm"] = Field(description="`llama.cpp` (CPU, GGUF) or `vllm` (GPU, safetensors).")
    vllm: Vllm = Field(default=Vllm(), description="Options of vLLM.")
    gpu_memory_gib: float = Field(
        default=0,
        ge=0,
        le=2048,
        description="GPU memory for the weights and for the KV cache of `context_tokens` x `slots`; `vllm` needs it.",
    )
    instance_types: Annotated[tuple[InstanceType, ...], AfterValidator(rules.different)] = Field(
        min_length=1,
        max_length=40,
        description="Types to choose from, best first: x86-64, all of one throughput (within 25 %), with exactly the "
        "GPUs that the model needs, or none for `llama.cpp`. AWS advises ten or more for spot.",
    )
    most_spot_nodes: int = Field(default=4, ge=1, le=1000, description="The most that the spot group may have.")
    initial_nodes: int = Field(
        default=1,
        ge=1,
        le=100,
        validate_default=True,
        description="Spot nodes that the first `models activate` asks for; at most `most_spot_nodes`.",
    )
    most_on_demand_nodes: int = Field(
        default=1, ge=0, le=1000, description="The most that the on-demand group may have."
    )
    on_demand_base_nodes: int = Field(
        default=0,
        ge=0,
        le=100,
        description="On-demand nodes that the first `models activate` asks for as well, for what spot must not carry.",
    )
    least_nodes: int = Field(
        default=0,
        ge=0,
        le=100,
        validate_default=True,
        description="Nodes that the planner keeps when nobody asks, of the cheaper group. With 0 a fleet goes to zero, "
        "and the first request after a calm waits for a warm-up.",
    )
    warm_pool_nodes: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Stopped on-demand nodes with the model on their disk; AWS has no warm pool for spot. Give it once "
        "a model is active: before, they wait for one, running and paid for.",
    )
    context_tokens: int = Field(default=4096, ge=256, le=1_048_576, description="Tokens of prompt and answer together.")
    slots: int = Field(
        default=4, ge=1, le=1024, description="Answers that a node decodes at once; as many more may wait, then 503."
    )
    load_timeout_seconds: int = Field(
        default=1800, ge=30, le=7200, description="The longest that loading the model may take."
    )
    slo_wait_seconds: float = Field(
        default=20, ge=0.1, le=3600, description="What is promised: an answer begins within so many seconds …"
    )
    slo: float = Field(default=0.99, ge=0.5, le=0.9999, description="… for this share of the requests.")
    replica_tokens_per_second: float = Field(
        default=1000,
        gt=0,
        le=1_000_000,
        description="What a node decodes a second with all slots busy: the planner's unit. Measure it once for each "
        "model and type; too high a figure is too small a fleet.",
    )
    root_volume_gib: int = Field(
        default=100, ge=8, le=16384, description="Root disk; room for two versions of the model."
    )
    image_parameter: str = Field(
        default="",
        pattern=r"^$|^/[A-Za-z0-9_./-]{1,1000}$",
        description="SSM parameter that names the image. Empty: the newest public Ubuntu or Deep Learning one, so that "
        "an `up` after AWS has released one rolls the nodes; the preview shows it.",
    )

    @field_validator("instance_types")
    @classmethod
    def _fit_the_model(cls, types: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return rules.fit_the_model(types, info.data)

    @field_validator("initial_nodes")
    @classmethod
    def _fit_the_spot_group(cls, nodes: int, info: ValidationInfo) -> int:
        return rules.at_most(nodes, "most_spot_nodes", info.data.get("most_spot_nodes"))

    @field_validator("least_nodes")
    @classmethod
    def _fit_both_groups(cls, nodes: int, info: ValidationInfo) -> int:
        most = [info.data.get(name) for name in ("most_spot_nodes", "most_on_demand_nodes")]
        together = None if None in most else sum(each for each in most if each)
        return rules.at_most(nodes, "most_spot_nodes + most_on_demand_nodes", together)

    @field_validator("on_demand_base_nodes", "warm_pool_nodes")
    @classmethod
    def _fit_the_on_demand_group(cls, nodes: int, info: ValidationInfo) -> int:
        return rules.at_most(nodes, "most_on_demand_nodes", info.data.get("most_on_demand_nodes"))


class StackSettings(_Frozen):
    """Every setting of a stack; Pulumi.yaml describes them. Durations are in seconds."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"), AfterValidator(rules.outside_china)]
    allowed_account_ids: tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...] = Field(min_length=1, max_length=20)
    environment: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    models: tuple[Model, ...] = Field(min_length=1, max_length=20)
    zones: int = Field(default=2, ge=2, le=3)  # a load balancer wants two
    vpc_cidr: Annotated[str, AfterValidator(rules.vpc_range)] = "10.42.0.0/16"
    vpc_id: str = Field(default="", pattern=r"^$|^vpc-[0-9a-f]{8,17}$")
    subnet_ids: Annotated[
        tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...], AfterValidator(rules.different)
    ] = Field(default=(), max_length=12, validate_default=True)
    egress: Literal["nat", "nat_per_zone", "interface_endpoints"] = "nat"
    allowed_cidrs: Annotated[tuple[PrivateRange, ...], AfterValidator(rules.apart)] = Field(
        default=("10.0.0.0/8",), max_length=20
    )
    certificate_arn: str = Field(
        default="", pattern=r"^$|^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+$"
    )
    gateway_instance_type: InstanceType = "t3.small"
    gateway_nodes: int = Field(default=2, ge=1, le=20)
    gateway_port: int = Field(default=0, ge=0, le=65535)
    gateway_drain_seconds: int = Field(default=60, ge=1, le=100)  # with time to spare before systemd kills
    longest_wait_seconds: int = Field(default=600, ge=1, le=3600)
    node_drain_seconds: int = Field(default=100, ge=1, le=105)  # a spot notice leaves 120
    rebalance_reaction: Literal["ignore", "stop_admitting", "replace"] = "ignore"
    poll_seconds: Polls = Polls()
    connection: Literal["ssm", "ssh"] = "ssm"
    ssh_key_name: Annotated[str, Field(max_length=255, pattern=r"^[\x21-\x7e]*$")] = Field(
        default="", validate_default=True
    )
    ssh_security_group_id: str = Field(default="", pattern=r"^$|^sg-[0-9a-f]{8,17}$")
    customer_managed_keys: Switch = False
    deletion_protection: Switch = True
    log_retention_days: Annotated[int, AfterValidator(rules.log_retention)] = Field(default=90, ge=1, le=3653)
    alarm_email: str = Field(default="", pattern=r"^$|^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=200)
    planner: Switch = False
    max_hourly_usd: int = Field(default=0, ge=0, le=99_999)
    monthly_budget_usd: int = Field(default=0, ge=0, le=999_999)

    @field_validator("subnet_ids")
    @classmethod
    def _belong_to_a_vpc(cls, subnets: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return rules.subnets_of(subnets, info.data.get("vpc_id"))

    @field_validator("ssh_key_name", "ssh_security_group_id")
    @classmethod
    def _belong_to_ssh(cls, value: str, info: ValidationInfo) -> str:
        return rules.of_ssh(value, info.data.get("connection"), needed=info.field_name == "ssh_key_name")

    @field_validator("gateway_port")
    @classmethod
    def _leave_room_for_the_redirect(cls, port: int, info: ValidationInfo) -> int:
        return rules.listener_port(port, info.data.get("certificate_arn"))

    @property
    def listener_port(self) -> int:
        """The load balancer's port."""
        return self.gateway_port or (HTTPS if self.certificate_arn else HTTP)

    @property
    def gateway_instance_port(self) -> int:
        """The port of the gateways themselves: the load balancer's, where they may have it."""
        return self.listener_port if self.listener_port >= LEAST_UNPRIVILEGED_PORT else GATEWAY_PORT


def parse(config: Mapping[str, str], stack: str) -> StackSettings:
    """Settings from `namespace:key` texts as Pulumi passes them; arrays and booleans are JSON.

    Raises:
        SettingsError: naming every mistake with its value, its limit and the file.
    """
    prefix = f"{PROJECT}:"
    values: dict[str, Any] = {"environment": stack}
    values |= {name: _opened(config[key]) for name, key in mistakes.FOREIGN.items() if key and key in config}
    own = {key.removeprefix(prefix): text for key, text in config.items() if key.startswith(prefix)}
    values |= {name: _opened(text) for name, text in own.items() if name not in mistakes.FOREIGN}
    problems = [*mistakes.of_keys(config, prefix, StackSettings), *mistakes.named_twice(values)]
    settings = None
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        problems = [*mistakes.of_values(error.errors(), StackSettings), *problems]
    if settings is not None:
        problems += limits.over_limit(settings)
    if problems or settings is None:
        raise SettingsError(mistakes.message(problems, f"Pulumi.{stack}.yaml"))
    return settings


def _opened(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("[", "{") else text
    except ValueError:
        return text
