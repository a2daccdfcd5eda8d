"""The stack's settings: read once from Pulumi.<stack>.yaml, checked all at once, then frozen."""

import difflib
import ipaddress
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

PROJECT = "warmfleet"
GATEWAY_PORT_OF_INSTANCE = 8080  # on the gateway itself, whatever the load balancer's listener has
NODE_PORT = 8000


class SettingsError(pulumi.RunError):
    """Everything that is wrong with a stack file, at once. Pulumi prints it without a traceback."""


def _private_range(text: str) -> str:
    network = ipaddress.ip_network(text)
    if not (network.version == 4 and network.is_private):
        raise ValueError("must be a private IPv4 range: the gateway asks for no key yet")
    return text


def _vpc_range(text: str) -> str:
    network = ipaddress.ip_network(text)
    if network.version != 4 or not 16 <= network.prefixlen <= 22 or not text.startswith("10."):
        raise ValueError("must be an IPv4 range from /16 to /22 inside 10.0.0.0/8")
    return text


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("must name each instance type once")
    return values


InstanceType = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
Poll = Annotated[float, Field(ge=0.05, le=300)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Vllm(_Frozen):
    """Options of `vllm serve`; what is not given is left to vLLM."""

    tensor_parallel_size: int = Field(default=1, ge=1, le=8, description="GPUs that share one copy of the model.")
    dtype: str | None = Field(default=None, description="Number format of the weights, e.g. `bfloat16`.")
    quantization: str | None = Field(default=None, description="Quantisation method, e.g. `fp8`.")
    extra_arguments: tuple[str, ...] = Field(default=(), description="Further arguments, as they are.")


class Model(_Frozen):
    """One model and its fleet: a spot group and an on-demand group of the same instance types."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$",
        description="The model's name in the API and in the bucket, 2 to 40 of a-z, 0-9 and -.",
    )
    engine: Literal["llama.cpp", "vllm"] = Field(description="`llama.cpp` (CPU, GGUF) or `vllm` (GPU, safetensors).")
    instance_types: Annotated[tuple[InstanceType, ...], AfterValidator(_different)] = Field(
        min_length=1,
        max_length=40,
        description="Types to choose from, best first; all of about one throughput. AWS advises ten or more for spot.",
    )
    initial_nodes: int = Field(
        default=1, ge=1, le=100, description="Spot nodes that the first `models activate` asks for."
    )
    most_spot_nodes: int = Field(default=4, ge=0, le=1000, description="The most that the spot group may have.")
    most_on_demand_nodes: int = Field(
        default=1, ge=0, le=1000, description="The most that the on-demand group may have."
    )
    context_tokens: int = Field(default=4096, ge=256, le=1_048_576, description="Tokens of prompt and answer together.")
    slots: int = Field(default=4, ge=1, le=1024, description="Answers that one node decodes at the same time.")
    queue: int = Field(
        default=4, ge=0, le=1024, description="Requests that may wait for a slot on a node; beyond them 503."
    )
    load_timeout_seconds: int = Field(
        default=1800, ge=30, le=7200, description="The longest that loading the model may take."
    )
    root_volume_gib: int = Field(
        default=100, ge=8, le=16384, description="Root disk; room for two versions of the model."
    )
    vllm: Vllm = Field(default=Vllm(), description="Options of vLLM.")


class StackSettings(_Frozen):
    """Every setting of a stack. Durations are in seconds."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    environment: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    models: tuple[Model, ...] = Field(min_length=1, max_length=20)
    vpc_cidr: Annotated[str, AfterValidator(_vpc_range)] = "10.42.0.0/16"
    client_cidrs: tuple[Annotated[str, AfterValidator(_private_range)], ...] = Field(
        default=("10.0.0.0/8",), max_length=20
    )
    gateway_instance_type: InstanceType = "t3.small"
    gateway_nodes: int = Field(default=2, ge=1, le=20)
    gateway_port: int = Field(default=80, ge=1, le=65535)
    gateway_drain_seconds: int = Field(default=60, ge=1, le=100)  # with time to spare before systemd kills
    longest_wait_seconds: int = Field(default=600, ge=1, le=3600)
    node_drain_seconds: int = Field(default=100, ge=1, le=105)  # a spot notice leaves 120
    pointer_poll_seconds: Poll = 5.0
    metadata_poll_seconds: Poll = 2.0
    discovery_poll_seconds: Poll = 15.0
    readiness_poll_seconds: Poll = 1.0
    delete_models_on_destroy: bool = False


GIVEN_BY_PULUMI = ("region", "environment")  # aws:region and the stack's name


def read() -> StackSettings:
    """The settings of the stack that Pulumi runs. Raises SettingsError."""
    return parse(pulumi.runtime.config.CONFIG.get(), pulumi.get_stack())


def parse(config: Mapping[str, str], stack: str) -> StackSettings:
    """Settings from `namespace:key` texts as Pulumi passes them; arrays and booleans are JSON.

    Raises:
        SettingsError: naming every mistake with its value, its limit and the file.
    """
    values: dict[str, Any] = {"environment": stack}
    if "aws:region" in config:
        values["region"] = config["aws:region"]
    prefix = f"{PROJECT}:"
    own = {key.removeprefix(prefix): text for key, text in config.items() if key.startswith(prefix)}
    unknown = {key: text for key, text in own.items() if key in GIVEN_BY_PULUMI}
    values |= {key: _opened(text) for key, text in own.items() if key not in unknown}
    try:
        settings = StackSettings.model_validate(values)
        problems = [*_across(settings), *(_unknown(key, StackSettings) for key in unknown)]
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors()] + [_unknown(key, StackSettings) for key in unknown]
    if problems:
        file = f"Pulumi.{stack}.yaml"
        noun = "mistake" if len(problems) == 1 else "mistakes"
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SettingsError(f"{len(problems)} {noun} in {file}; nothing was changed:\n{listed}")
    return settings


def _opened(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("[", "{") else text
    except ValueError:
        return text


def _across(settings: StackSettings) -> list[str]:
    """Rules between settings that are each right by themselves."""
    names = [model.name for model in settings.models]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [f"models: the name {name!r} stands there twice; each model needs its own" for name in twice]
    for index, model in enumerate(settings.models):
        if model.initial_nodes > model.most_spot_nodes:
            problems.append(
                f"models[{index}].initial_nodes is {model.initial_nodes}, above most_spot_nodes "
                f"{model.most_spot_nodes}; lower it, or raise the other"
            )
    return problems


def _problem(error: Any) -> str:
    """One line for one of pydantic's errors."""
    place = _place(error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown(place, _model_at(error["loc"]))
    if error["type"] == "missing":
        return f"{place} is missing; give it"
    message = error["msg"].removeprefix("Value error, ")
    limit = message.removeprefix("Input should be ").removeprefix("Input should ")
    needs = message if limit == message else f"must be {limit}"
    return f"{place} is {error['input']!r}; {needs}"


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return "aws:region" if text == "region" else text


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    if "vllm" in location[:-1]:
        return Vllm
    return Model if location[0] == "models" and len(location) > 1 else StackSettings


def _unknown(place: str, model: type[BaseModel]) -> str:
    known = [name for name in model.model_fields if model is not StackSettings or name not in GIVEN_BY_PULUMI]
    nearest = difflib.get_close_matches(place.rpartition(".")[2], known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "known are " + ", ".join(known)
    return f"{place} is no setting; {hint}"
