"""The gateway's settings, read once from the environment that user data and systemd (or the local cloud) give it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from inference_service import contract
from inference_service.environment import EnvironmentReader, SettingsError, count, interval, loopback, port, seconds

__all__ = ["GatewaySettings", "SettingsError", "read_settings"]


GUARD_RESUME = "resume"
GUARD_DEDUPLICATION = "deduplication"


@dataclass(frozen=True)
class GatewaySettings:
    """Everything that a gateway is told from outside, and its limits. Durations are in seconds, sizes in bytes."""

    environment: str
    region: str
    models: tuple[str, ...]
    bind_address: str = "127.0.0.1"
    port: int = 8080
    node_port: int = 8000
    discovery_poll_seconds: float = 15.0
    readiness_poll_seconds: float = 1.0
    readiness_timeout_seconds: float = 2.0
    longest_wait_seconds: float = 600.0  # the most that x-request-timeout-seconds can ask for
    first_byte_seconds: float = 120.0  # for a node's first event, where the client names no deadline
    answer_seconds: float = 600.0  # for a whole answer that is not streamed
    stall_seconds: float = 60.0  # a stream in which neither side moves for this long is broken off
    resume_wait_seconds: float = 120.0  # for another node to go on, where the client names no deadline
    comment_seconds: float = 10.0  # a client that waits in mid-stream hears of it this often
    resume: bool = True  # a guard: off, a stream that breaks ends
    commit_seconds: float = 20.0  # a stream that has not begun by then gets its status line, and comments
    most_waiting_tokens: float = 1e6  # expected work of what waits for a warm node: four thousand usual answers
    most_waiting_bytes: int = 256 << 20  # and what their bodies may take in memory
    most_open: int = 4000  # chat completions at once, streams among them; about 150 KB of memory each
    most_open_bytes: int = 1 << 30  # and of their bodies
    body_seconds: float = 30.0  # for a request body to arrive
    drain_seconds: float = 60.0  # for answers in flight, after SIGTERM
    idle_connection_seconds: float = 75.0  # above the load balancer's: the side that reuses must not lose the race
    most_body_bytes: int = 8 << 20
    most_answer_bytes: int = 64 << 20
    api_keys_parameter: str | None = None  # SSM's name of the key hashes; None only on loopback, where all may ask
    api_keys_poll_seconds: float = 5.0  # a revoked key is refused that much later
    node_token_parameter: str | None = None
    node_token_key: str | None = None
    bucket: str | None = None  # for answers under an Idempotency-Key; None: this gateway alone knows them
    deduplication: bool = True  # a guard: off, Idempotency-Key has no effect
    lease_seconds: float = 12.0  # a gateway that says nothing for so long has lost the answers that it had begun
    linger_seconds: float = 10.0  # an answer under an Idempotency-Key goes on so long without its client
    replay_wait_seconds: float = 30.0  # for another gateway's answer, where the client names no deadline
    slo_wait_seconds: Mapping[str, float] = field(default_factory=dict)  # promised, by model
    figures_seconds: float = 60.0  # between two reports to CloudWatch, which keeps them by the minute
    gateways: int = 1  # each allows its share of a key's limits


def read_settings(environ: Mapping[str, str]) -> GatewaySettings:
    """Read and check every variable.

    Raises:
        SettingsError: naming each variable that is missing or wrong, with its value and what it may be.
    """
    reader = EnvironmentReader(environ)
    given = reader.given
    values = {
        "environment": given(contract.VAR_ENVIRONMENT, str, optional=False),
        "region": given(contract.VAR_REGION, str, optional=False),
        "models": given(contract.VAR_MODELS, _names, optional=False),
        "bind_address": given(contract.VAR_BIND_ADDRESS, str),
        "port": given(contract.VAR_GATEWAY_PORT, port),
        "node_port": given(contract.VAR_NODE_PORT, port),
        "discovery_poll_seconds": given(contract.VAR_DISCOVERY_POLL_SECONDS, interval),
        "readiness_poll_seconds": given(contract.VAR_READINESS_POLL_SECONDS, interval),
        "longest_wait_seconds": given(contract.VAR_LONGEST_WAIT_SECONDS, seconds),
        "drain_seconds": given(contract.VAR_DRAIN_SECONDS, seconds),
        "idle_connection_seconds": given(contract.VAR_IDLE_CONNECTION_SECONDS, interval),
        "api_keys_parameter": given(contract.VAR_API_KEYS_PARAMETER, str),
        "api_keys_poll_seconds": given(contract.VAR_API_KEYS_POLL_SECONDS, interval),
        "figures_seconds": given(contract.VAR_FIGURES_SECONDS, interval),
        "gateways": given(contract.VAR_GATEWAYS, count),
        "slo_wait_seconds": given(contract.VAR_SLO_WAIT_SECONDS, _seconds_by_model),
        "node_token_parameter": given(contract.VAR_NODE_TOKEN_PARAMETER, str),
        "node_token_key": given(contract.VAR_NODE_TOKEN_KEY, str),
        "lease_seconds": given(contract.VAR_LEASE_SECONDS, interval),
        "bucket": given(contract.VAR_BUCKET, str),
        "resume": given(contract.VAR_GUARDS_OFF, lambda raw: GUARD_RESUME not in raw.split(",")),
        "deduplication": given(contract.VAR_GUARDS_OFF, lambda raw: GUARD_DEDUPLICATION not in raw.split(",")),
    }
    if not loopback(values["bind_address"] or GatewaySettings.bind_address):
        given(contract.VAR_API_KEYS_PARAMETER, str, optional=False)
    reader.finish("gateway")
    return GatewaySettings(**{name: value for name, value in values.items() if value is not None})


def _seconds_by_model(raw: str) -> dict[str, float]:
    try:
        found = {str(model): float(seconds) for model, seconds in json.loads(raw).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError("a JSON object of seconds by model is needed") from error
    return found


def _names(raw: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for part in raw.split(",") if (name := part.strip())))
    if not names:
        raise ValueError("at least one model name is needed, several with commas between them")
    return names
