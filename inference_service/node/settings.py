"""The node's settings, read once from the environment that user data and systemd (or the local cloud) give it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference_service import contract
from inference_service.environment import (
    EnvironmentReader,
    SettingsError,
    count,
    interval,
    loopback,
    moment,
    port,
    seconds,
    whole,
)

__all__ = ["NodeSettings", "SettingsError", "StubSettings", "VllmSettings", "read_settings"]

ENGINES = ("llama.cpp", "vllm", "stub")
# What an engine's child process is given; no AWS names among them.
CHILD_NAMES = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
CHILD_PREFIXES = ("CUDA_", "NCCL_", "NVIDIA_", "VLLM_")
METADATA_ENDPOINT = "http://169.254.169.254"
METADATA_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # the AWS SDKs' own name


GUARD_ACKNOWLEDGE = "acknowledge"  # jobs are deleted after their result is there
GUARD_DEDUPLICATION = "deduplication"  # a job that has a result is not done again, and a result not written over
GUARD_DRAIN = "drain"  # what EC2 and Auto Scaling announce is heard, and answers get time to end


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
    booted_at: float | None = None  # Unix time
    context_tokens: int = 4096
    slots: int = 4
    queue: int = 4
    launch_hook: str | None = None
    terminate_hook: str | None = None
    drain_seconds: float = 100.0
    pointer_poll_seconds: float = 5.0
    metadata_poll_seconds: float = 2.0
    heartbeat_seconds: float = 20.0
    rebalance_reaction: str = contract.REBALANCE_IGNORE
    probe_seconds: float = 10.0
    probe_timeout_seconds: float = 30.0  # long prompts of other answers come first
    load_timeout_seconds: float = 1800.0
    metadata_endpoint: str | None = METADATA_ENDPOINT
    jobs_queue_url: str | None = None
    dead_letters_queue_url: str | None = None
    guards_off: frozenset[str] = frozenset()
    node_token_parameter: str | None = None  # None only on loopback: whoever connects may ask
    vllm: VllmSettings = VllmSettings()
    stub: StubSettings = StubSettings()
    child_environment: Mapping[str, str] = field(default_factory=dict)


def read_settings(environ: Mapping[str, str]) -> NodeSettings:
    """Read and check every variable.

    Raises:
        SettingsError: naming each variable that is missing or wrong, with its value and what it may be.
    """
    reader = EnvironmentReader(environ)
    given = reader.given
    values: dict[str, Any] = {
        "environment": given(contract.VAR_ENVIRONMENT, str, optional=False),
        "region": given(contract.VAR_REGION, str, optional=False),
        "bucket": given(contract.VAR_BUCKET, str, optional=False),
        "model": given(contract.VAR_MODEL, str, optional=False),
        "engine": given(contract.VAR_ENGINE, _engine, optional=False),
        "bind_address": given(contract.VAR_BIND_ADDRESS, str),
        "port": given(contract.VAR_NODE_PORT, port),
        "data_dir": given(contract.VAR_DATA_DIR, Path),
        "booted_at": given(contract.VAR_BOOTED_AT, moment),
        "context_tokens": given(contract.VAR_CONTEXT_TOKENS, count),
        "slots": given(contract.VAR_SLOTS, count),
        "queue": given(contract.VAR_QUEUE, whole),
        "launch_hook": given(contract.VAR_LAUNCH_HOOK, str),
        "terminate_hook": given(contract.VAR_TERMINATE_HOOK, str),
        "drain_seconds": given(contract.VAR_DRAIN_SECONDS, seconds),
        "pointer_poll_seconds": given(contract.VAR_POINTER_POLL_SECONDS, interval),
        "metadata_poll_seconds": given(contract.VAR_METADATA_POLL_SECONDS, interval),
        "heartbeat_seconds": given(contract.VAR_HEARTBEAT_SECONDS, interval),
        "load_timeout_seconds": given(contract.VAR_LOAD_TIMEOUT_SECONDS, interval),
        "rebalance_reaction": given(contract.VAR_REBALANCE_REACTION, _reaction),
        "probe_seconds": given(contract.VAR_PROBE_SECONDS, interval),
        "probe_timeout_seconds": given(contract.VAR_PROBE_TIMEOUT_SECONDS, interval),
        "jobs_queue_url": given(contract.VAR_JOBS_QUEUE_URL, str),
        "dead_letters_queue_url": given(contract.VAR_DEAD_LETTERS_QUEUE_URL, str),
        "guards_off": given(contract.VAR_GUARDS_OFF, lambda raw: frozenset(raw.split(","))),
        "node_token_parameter": given(contract.VAR_NODE_TOKEN_PARAMETER, str),
        "vllm": given(contract.VAR_VLLM, _vllm),
        "stub": _stub(reader),
    }
    if values["jobs_queue_url"]:
        given(contract.VAR_DEAD_LETTERS_QUEUE_URL, str, optional=False)
    if not loopback(values["bind_address"] or NodeSettings.bind_address):
        given(contract.VAR_NODE_TOKEN_PARAMETER, str, optional=False)
    reader.finish("node")
    given_values = {name: value for name, value in values.items() if value is not None}
    child = {name: value for name, value in environ.items() if name in CHILD_NAMES or name.startswith(CHILD_PREFIXES)}
    return NodeSettings(**given_values, metadata_endpoint=_metadata_endpoint(environ), child_environment=child)


def _metadata_endpoint(environ: Mapping[str, str]) -> str | None:
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return environ.get(METADATA_ENDPOINT_VARIABLE, METADATA_ENDPOINT).rstrip("/")


def _engine(raw: str) -> str:
    if raw not in ENGINES:
        raise ValueError(f"one of {', '.join(ENGINES)} is needed")
    return raw


def _reaction(raw: str) -> str:
    if raw not in contract.REBALANCE_REACTIONS:
        raise ValueError(f"one of {', '.join(contract.REBALANCE_REACTIONS)} is needed")
    return raw


def _stub(reader: EnvironmentReader) -> StubSettings:
    token = reader.given(contract.VAR_STUB_TOKEN_SECONDS, seconds)
    load = reader.given(contract.VAR_STUB_LOAD_SECONDS, seconds)
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
