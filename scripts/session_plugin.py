"""The Session Manager plugin: AWS's own program, which carries a session's bytes. Found, started, ended."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from scripts import children
from scripts.exit_codes import CommandError

PLUGIN = "session-manager-plugin"
INSTALL_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)
RESPONSE_VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
LAST_WITHOUT_VARIABLE = (1, 2, 497, 0)
LOOPBACK = "127.0.0.1"
OPEN_SECONDS = 30.0  # from the plugin's start to its open port
ANSWER_SECONDS = 10.0
END_SECONDS = 5.0


def find_plugin(environ: Mapping[str, str]) -> str:
    """The plugin's path.

    Raises:
        CommandError: it is not on PATH.
    """
    if path := shutil.which(PLUGIN, path=environ.get("PATH", os.defpath)):
        return path
    raise CommandError(
        f"the gateway is inside the VPC, and {PLUGIN}, which reaches it through AWS, is not on PATH; install it "
        f"({INSTALL_PAGE}), or let your network in with warmfleet:allowed_cidrs"
    )


def command_line(
    plugin: str, response: str, request: Mapping[str, Any], region: str, profile: str, url: str
) -> list[str]:
    """The arguments as AWS's CLI gives them.

    https://github.com/aws/aws-cli/blob/v2/awscli/customizations/sessionmanager.py

    Args:
        response: the answer of StartSession as JSON, or the name of the variable that has it.
        request: the parameters of StartSession.
        url: SSM's endpoint.
    """
    return [plugin, response, region, "StartSession", profile, json.dumps(request), url]


def takes_variable(version: str) -> bool:
    """Whether a plugin of this version reads the answer, which holds the session's token, from its environment.

    There no other user of the machine can see it.
    """
    found = re.fullmatch(r"\s*(\d+)\.(\d+)\.(\d+)\.(\d+)\s*", version)
    return found is not None and tuple(map(int, found.groups())) > LAST_WITHOUT_VARIABLE


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def version(plugin: str, environ: Mapping[str, str]) -> str:
    """What the plugin says of itself; nothing if it says nothing."""
    try:
        done = children.run([plugin, "--version"], ANSWER_SECONDS, env=dict(environ))
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


@contextlib.contextmanager
def forwarding(command: list[str], environ: Mapping[str, str], port: int, remedy: str) -> Iterator[None]:
    """Run the plugin until the block ends; the block begins when its port is open.

    Raises:
        CommandError: it does not open its port, with what it said and `remedy`.
    """
    where = {**environ, "SSM_PLUGIN_LOCAL_HOST": LOOPBACK}  # by default "localhost", which may be IPv6
    with children.started(command, _end, env=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        _wait_until_open(child, port, remedy)
        threading.Thread(target=_drain, args=(child,), daemon=True).start()
        yield


def _wait_until_open(child: subprocess.Popen[str], port: int, remedy: str) -> None:
    """Listens to its words: to try the port would use up the one connection that an old agent forwards.

    https://github.com/aws/session-manager-plugin/tree/mainline/src/sessionmanagerplugin/session/portsession
    """
    assert child.stdout is not None
    said: list[str] = []
    watch = threading.Timer(OPEN_SECONDS, children.kill, [child])
    watch.start()
    try:
        for line in child.stdout:
            said.append(line.strip())
            if f"Port {port} opened" in line:
                return
    finally:
        watch.cancel()
    words = " ".join(filter(None, said))[-500:] or "it said nothing"
    raise CommandError(f"{PLUGIN} did not open port {port}: {words}; {remedy}")


def _drain(child: subprocess.Popen[str]) -> None:
    """A full pipe would stop the plugin."""
    assert child.stdout is not None
    with contextlib.suppress(ValueError, OSError):  # closed while it reads: the session is over
        for _ in child.stdout:
            pass


def _end(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        child.wait(END_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        children.kill(child)
