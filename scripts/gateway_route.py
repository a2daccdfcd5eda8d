"""How to reach a gateway: directly, or through a gateway instance by Session Manager where it is inside a VPC."""

import contextlib
import ipaddress
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scripts import session_plugin
from scripts.aws_session import explained
from scripts.exit_codes import CommandError
from scripts.gateway_client import Address
from scripts.progress import Steps
from scripts.stack_target import StackTarget

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
CONNECT_SECONDS = 3.0
NOT_CONNECTED = "TargetNotConnected"
PORTS = {"http": 80, "https": 443}

Connects = Callable[[str, int], bool]


@dataclass(frozen=True)
class Remote:
    """Host and port of a gateway's URL."""

    host: str
    port: int

    @property
    def here(self) -> bool:
        """Whether it is an address of this machine: a stack on the local cloud."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def remote(url: str) -> Remote:
    """Where a URL leads."""
    parts = urlsplit(url)
    return Remote(parts.hostname or "", parts.port or PORTS.get(parts.scheme, 80))


def in_service(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The instances that a session can go through."""
    return [
        str(each["InstanceId"])
        for group in groups
        for each in group["Instances"]
        if each["LifecycleState"] == "InService"
    ]


def request(instance_id: str, there: Remote, local_port: int) -> dict[str, Any]:
    """The parameters of StartSession.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
    """
    ports = {"portNumber": [str(there.port)], "localPortNumber": [str(local_port)]}
    parameters = {"host": [there.host], **ports}
    return {
        "Target": instance_id,
        "DocumentName": DOCUMENT,
        "Parameters": parameters,
        "Reason": "warmfleet ask",
    }


def connects(host: str, port: int) -> bool:
    """Whether something answers there within a few seconds. Names of internal load balancers resolve everywhere."""
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def route(target: StackTarget, steps: Steps, can_connect: Connects = connects) -> Iterator[Address | None]:
    """The address to connect to instead of the one in the gateway's URL; None for that one itself.

    The way through AWS is open inside the block, and closed after it in every case.

    Raises:
        CommandError: there is no way, with what opens one.
    """
    there = remote(target.outputs.gateway_url)
    if there.here or can_connect(there.host, there.port):
        yield None
        return
    environ = target.pulumi.environ
    plugin = session_plugin.find_plugin(environ)
    with contextlib.ExitStack() as open_ways:
        with steps.step("session") as step:
            instances = _instances(target)
            port = session_plugin.free_port()
            step.say(f"opening a session through {instances[0]}")
            asked = open_ways.enter_context(_session(target, instances, there, port))
            command, variables = _command(plugin, asked, target, environ)
            open_ways.enter_context(session_plugin.forwarding(command, variables, port, _remedy(target)))
            step.result = f"to {there.host} through {asked.request['Target']}"
        yield Address(session_plugin.LOOPBACK, port)


@dataclass(frozen=True)
class _Session:
    """A session that SSM has started: what was asked, its answer, and SSM's endpoint."""

    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    endpoint_url: str


@contextlib.contextmanager
def _session(target: StackTarget, instances: Sequence[str], there: Remote, port: int) -> Iterator[_Session]:
    ssm = target.aws.client("ssm")
    started = _start(ssm, [request(each, there, port) for each in instances], _remedy(target))
    try:
        yield started
    finally:
        with contextlib.suppress(Exception):  # SSM ends an idle one by itself; the reason for leaving is the news
            ssm.terminate_session(SessionId=started.answer["SessionId"])


def _start(ssm: Any, requests: Sequence[Mapping[str, Any]], remedy: str) -> _Session:
    """Through the first instance whose agent is connected."""
    from botocore.exceptions import ClientError

    refused: list[str] = []
    for each in requests:
        with explained():
            try:
                return _Session(each, ssm.start_session(**each), str(ssm.meta.endpoint_url))
            except ClientError as error:
                said = error.response["Error"]
                refused.append(f"{said['Code']}: {said.get('Message', '')}")
                if said["Code"] != NOT_CONNECTED:
                    break
    raise CommandError(f"Session Manager refuses ({refused[-1]}); {remedy}")


def _instances(target: StackTarget) -> list[str]:
    with explained():
        answer = target.aws.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[target.outputs.gateway_group]
        )
    if found := in_service(answer["AutoScalingGroups"]):
        return found
    raise CommandError(
        f"no instance of {target.outputs.gateway_group} is InService, so that no session can lead to the gateway; "
        f"`warmfleet status --stack {target.name}` says what is missing"
    )


def _command(
    plugin: str, session: _Session, target: StackTarget, environ: Mapping[str, str]
) -> tuple[list[str], Mapping[str, str]]:
    """The plugin's command line and environment."""
    keys = ("SessionId", "TokenValue", "StreamUrl")
    response = json.dumps({name: session.answer[name] for name in keys})
    variables = dict(environ)
    if session_plugin.takes_variable(session_plugin.version(plugin, environ)):
        variables[session_plugin.RESPONSE_VARIABLE] = response
        response = session_plugin.RESPONSE_VARIABLE
    region, profile = target.outputs.region, environ.get("AWS_PROFILE", "")
    line = session_plugin.command_line(plugin, response, session.request, region, profile, session.endpoint_url)
    return line, variables


def _remedy(target: StackTarget) -> str:
    return (
        f"look at `warmfleet status --stack {target.name}` and at your permission for ssm:StartSession, "
        "or let your network in with warmfleet:allowed_cidrs"
    )
