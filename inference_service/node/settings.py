"""The node's settings, read once from the environment that user data and systemd (or the local cloud) give it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_service import contract

ENGINES = ("llama.cpp", "vllm", "stub")
# What an engine's child process is given; no AWS names among them.
CHILD_NAMES = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
CHILD_PREFIXES = ("CUDA_", "NCCL_", "NVIDIA_", "VLLM_")
METADATA_ENDPOINT = "http://169.254.169.254"
METADATA_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # the AWS SDKs' own name


class SettingsError(Exception):
    """Everything that is wrong with the environment, at once."""


@dataclass(frozen=True)
class VllmSettings:
    """Options of `vllm serve` (https://docs.vllm.ai/en/stable/cli/serve.html); None leaves vLLM's own default."""

    executable: str = "vllm"  # of its own virtual environment: its dependencies are not ours
    tensor_parallel_size: int = 1
    dtype: str | None = None
    quantization: str | None = None
    extra_arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class StubSettings:
    """Pace of the scripted engine, in seconds; tests only."""

    token_seconds: float = 0.0
    load_seconds: float = 0.0


@dataclass(frozen=True)
class NodeSettings:
    """Everything that a node is told from outside. Durations are in seconds."""

    environment: str
    region: str
    bucket: str
    model: str
    engine: str
    bind_address: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Path("/var/lib/warmfleet")
    context_tokens: int = 4096
    slots: int = 4
    queue: int = 4
    launch_hook: str | None = None
    terminate_hook: str | None = None
    drain_seconds: float = 100.0
    pointer_poll_seconds: float = 5.0
    metadata_poll_seconds: float = 2.0
    heartbeat_seconds: float = 20.0
    load_timeout_seconds: float = 1800.0
    metadata_endpoint: str | None = METADATA_ENDPOINT
    vllm: VllmSettings = VllmSettings()
    stub: StubSettings = StubSettings()
    child_environment: Mapping[str, str] = field(default_factory=dict)


def read_settings(environ: Mapping[str, str]) -> NodeSettings:
    """Read and check every variable.

    Raises:
        SettingsError: naming each variable that is missing or wrong, with its value and what it may be.
    """
    reader = _Reader(environ)
    given = reader.given
    values: dict[str, Any] = {
        "environment": given(contract.VAR_ENVIRONMENT, str),
        "region": given(contract.VAR_REGION, str),
        "bucket": given(contract.VAR_BUCKET, str),
        "model": given(contract.VAR_MODEL, str),
        "engine": given(contract.VAR_ENGINE, _engine),
        "bind_address": given(contract.VAR_BIND_ADDRESS, str, optional=True),
        "port": given(contract.VAR_NODE_PORT, _port, optional=True),
        "data_dir": given(contract.VAR_DATA_DIR, Path, optional=True),
        "context_tokens": given(contract.VAR_CONTEXT_TOKENS, _count, optional=True),
        "slots": given(contract.VAR_SLOTS, _count, optional=True),
        "queue": given(contract.VAR_QUEUE, _whole, optional=True),
        "launch_hook": given(contract.VAR_LAUNCH_HOOK, str, optional=True),
        "terminate_hook": given(contract.VAR_TERMINATE_HOOK, str, optional=True),
        "drain_seconds": given(contract.VAR_DRAIN_SECONDS, _seconds, optional=True),
        "pointer_poll_seconds": given(contract.VAR_POINTER_POLL_SECONDS, _interval, optional=True),
        "metadata_poll_seconds": given(contract.VAR_METADATA_POLL_SECONDS, _interval, optional=True),
        "heartbeat_seconds": given(contract.VAR_HEARTBEAT_SECONDS, _interval, optional=True),
        "load_timeout_seconds": given(contract.VAR_LOAD_TIMEOUT_SECONDS, _interval, optional=True),
        "vllm": given(contract.VAR_VLLM, _vllm, optional=True),
        "stub": _stub(reader),
    }
    if reader.problems:
        raise SettingsError("the node cannot start:\n" + "\n".join(f"  {problem}" for problem in reader.problems))
    given_values = {name: value for name, value in values.items() if value is not None}
    child = {name: value for name, value in environ.items() if name in CHILD_NAMES or name.startswith(CHILD_PREFIXES)}
    return NodeSettings(**given_values, metadata_endpoint=_metadata_endpoint(environ), child_environment=child)


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def given(self, name: str, read: Callable[[str], Any], *, optional: bool = False) -> Any:
        """The variable's value; None where it is absent or wrong (then `problems` says so)."""
        raw = self._environ.get(name, "")
        if not raw:
            if not optional:
                self.problems.append(f"{name} is missing")
            return None
        try:
            return read(raw)
        except ValueError as error:
            self.problems.append(f"{name}={raw!r}: {error}")
            return None


def _metadata_endpoint(environ: Mapping[str, str]) -> str | None:
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return environ.get(METADATA_ENDPOINT_VARIABLE, METADATA_ENDPOINT).rstrip("/")


def _engine(raw: str) -> str:
    if raw not in ENGINES:
        raise ValueError(f"one of {', '.join(ENGINES)} is needed")
    return raw


def _whole(raw: str) -> int:
    if not raw.isdecimal():
        raise ValueError("a whole number from 0 is needed")
    return int(raw)


def _count(raw: str) -> int:
    if (value := _whole(raw)) < 1:
        raise ValueError("a whole number from 1 is needed")
    return value


def _port(raw: str) -> int:
    if (value := _whole(raw)) > 65535:
        raise ValueError("a port from 0 (any free one) to 65535 is needed")
    return value


def _seconds(raw: str) -> float:
    value = float(raw)
    if not 0 <= value < 1e9:
        raise ValueError("a number of seconds from 0 is needed")
    return value


def _interval(raw: str) -> float:
    if (value := _seconds(raw)) < 0.01:
        raise ValueError("at least 0.01 seconds are needed")
    return value


def _stub(reader: _Reader) -> StubSettings:
    token = reader.given(contract.VAR_STUB_TOKEN_SECONDS, _seconds, optional=True)
    load = reader.given(contract.VAR_STUB_LOAD_SECONDS, _seconds, optional=True)
    return StubSettings(token or 0.0, load or 0.0)


def _vllm(raw: str) -> VllmSettings:
    options = json.loads(raw)
    kinds = {"executable": str, "tensor_parallel_size": int, "dtype": str, "quantization": str, "extra_arguments": list}
    if not isinstance(options, dict) or not set(options) <= set(kinds):
        raise ValueError(f"a JSON object with some of {', '.join(kinds)} is needed")
    wrong = [name for name, option in options.items() if not isinstance(option, kinds[name])]
    extra = options.pop("extra_arguments", [])
    if wrong or not all(isinstance(argument, str) for argument in extra):
        raise ValueError(f"of the wrong type: {', '.join(wrong) or 'extra_arguments'}")
    if options.get("tensor_parallel_size", 1) < 1:
        raise ValueError("tensor_parallel_size: at least 1 is needed")
    return VllmSettings(**options, extra_arguments=tuple(extra))
