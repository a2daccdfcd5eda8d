"""The stack's settings: read once from Pulumi.<stack>.yaml, checked all at once, then frozen."""

import difflib
import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pulumi
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

from infra import setting_rules as rules

PROJECT = "warmfleet"
LEAST_UNPRIVILEGED_PORT = 1024  # services run without root; ip(7)
GATEWAY_PORT = 8080  # of a gateway whose load balancer listens below that


class SettingsError(pulumi.RunError):
    """Everything that is wrong with a stack file, at once. Pulumi prints it without a traceback."""


InstanceType = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$"), AfterValidator(rules.x86_64)]
Poll = Annotated[float, Field(ge=0.05, le=300)]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^'\x00-\x1f\x7f]+$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Vllm(_Frozen):
    """Options of `vllm serve`; what is not given is left to vLLM."""

    tensor_parallel_size: int = Field(default=1, ge=1, le=8, description="GPUs that share one copy of the model.")
    dtype: Word | None = Field(default=None, description="Number format of the weights, e.g. `bfloat16`.")
    quantization: Word | None = Field(default=None, description="Quantisation method, e.g. `fp8`.")
    extra_arguments: tuple[Word, ...] = Field(default=(), max_length=40, description="Further arguments, as they are.")


class Model(_Frozen):
    """One model and its fleet: a spot group and an on-demand group of the same instance types."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$",
        description="The model's name in the API and in the bucket, 2 to 40 of a-z, 0-9 and -.",
    )
    engine: Literal["llama.cpp", "vllm"] = Field(description="`llama.cpp` (CPU, GGUF) or `vllm` (GPU, safetensors).")
    instance_types: Annotated[tuple[InstanceType, ...], AfterValidator(rules.different)] = Field(
        min_length=1,
        max_length=40,
        description="Types to choose from, best first; all of about one throughput, x86-64, with NVIDIA GPUs "
        "for `vllm` and without GPU for `llama.cpp`. AWS advises ten or more for spot.",
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

    @field_validator("instance_types")
    @classmethod
    def _fit_the_engine(cls, types: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return rules.fit_engine(types, info.data.get("engine"))

    @field_validator("initial_nodes")
    @classmethod
    def _fit_the_group(cls, nodes: int, info: ValidationInfo) -> int:
        return rules.at_most(nodes, "most_spot_nodes", info.data.get("most_spot_nodes"))


class StackSettings(_Frozen):
    """Every setting of a stack. Durations are in seconds."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$"), AfterValidator(rules.outside_china)]
    environment: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    models: tuple[Model, ...] = Field(min_length=1, max_length=20)
    vpc_cidr: Annotated[str, AfterValidator(rules.vpc_range)] = "10.42.0.0/16"
    client_cidrs: tuple[Annotated[str, AfterValidator(rules.private_range)], ...] = Field(
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
    delete_models_on_destroy: Annotated[bool, BeforeValidator(rules.true_or_false)] = False

    @property
    def gateway_instance_port(self) -> int:
        """The port of the gateways themselves: the load balancer's, where they may have it."""
        return self.gateway_port if self.gateway_port >= LEAST_UNPRIVILEGED_PORT else GATEWAY_PORT


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
    problems = [*_other_namespaces(config), *(_unknown(key, StackSettings) for key in unknown), *_named_twice(values)]
    settings = None
    try:
        settings = StackSettings.model_validate(values)
    except ValidationError as error:
        problems = [*_problems(error.errors()), *problems]
    if problems or settings is None:
        raise SettingsError(_message(problems, f"Pulumi.{stack}.yaml"))
    return settings


def _message(problems: list[str], file: str) -> str:
    noun = "mistake" if len(problems) == 1 else "mistakes"
    return "\n".join([f"{len(problems)} {noun} in {file}; nothing was changed:", *(f"  {each}" for each in problems)])


def _opened(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("[", "{") else text
    except ValueError:
        return text


def _other_namespaces(config: Mapping[str, str]) -> list[str]:
    """Settings of Pulumi's own provider would have no effect here: better said than a guard that does not guard."""
    ignored = sorted(key for key in config if key.startswith("aws:") and key != "aws:region")
    return [f"{key} has no effect: of these only aws:region is read; take it out" for key in ignored]


def _named_twice(values: Mapping[str, Any]) -> list[str]:
    given = values.get("models")
    models = given if isinstance(given, list) else []
    names = [str(model["name"]) for model in models if isinstance(model, dict) and "name" in model]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"models: the name {name!r} stands there twice; each model needs its own" for name in twice]


def _problems(errors: Sequence[Any]) -> list[str]:
    """One line for each of pydantic's errors, but for those that only follow from another."""
    places = [error["loc"] for error in errors]

    def follows(error: Any) -> bool:
        inside = any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
        return error["type"] == "too_short" and inside  # wrong members do not count as members

    return [_problem(error) for error in errors if not follows(error)]


LIMITS = {
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping",
}


def _problem(error: Any) -> str:
    place, kind = _place(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        return _unknown(place, _model_at(error["loc"]))
    if kind == "missing":
        return f"{place} is missing; give it"
    limit = (
        LIMITS[kind].format(**error.get("ctx", {})) if kind in LIMITS else error["msg"].removeprefix("Value error, ")
    )
    return f"{place} is {reprlib.repr(error['input'])}; {limit.replace('Input should be', 'must be')}"


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
