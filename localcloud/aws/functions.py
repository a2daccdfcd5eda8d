"""Runs Lambda functions that EventBridge has on a schedule: the package itself, in a process of its own, once a minute.

moto keeps functions and rules; running one there wants Docker. Here the runtime is this Python with boto3 and nothing
else on its path, and a function that still runs is not started again beside itself.
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import boto3
import structlog

from localcloud.aws import event_log
from localcloud.aws.cloud import ACCOUNT, Cloud

EVERY = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
MOST_TOLD = 2000  # characters of what a failed function wrote
RUNTIME = """
import importlib, json, sys
package, site, handler = sys.argv[1:]
sys.path.insert(0, package)
sys.path.append(site)
module, name = handler.rsplit(".", 1)
print(json.dumps(getattr(importlib.import_module(module), name)(json.load(sys.stdin), None)))
"""


@dataclass
class Running:
    """One invocation; `until` is in cloud seconds, as many as the timeout is in real ones: no process runs faster."""

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]
    until: float


class Functions:
    """Schedules and invocations of one cloud; `url` is its endpoint."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._next: dict[str, float] = {}  # by rule: cloud seconds
        self._running: dict[str, Running] = {}  # by function
        self._packages = tempfile.TemporaryDirectory(prefix="warmfleet-functions-")

    def tick(self, cloud: Cloud) -> None:
        """Start what is due; tell of what has ended."""
        now = cloud.clock.now()
        for name, running in list(self._running.items()):
            if running.process.poll() is not None or now > running.until:
                self._end(cloud, name, running)
        for rule, seconds, function in _schedules():
            due = self._next.setdefault(rule, now + seconds)  # the first run is a period after the rule, as on AWS
            if now >= due:
                self._next[rule] = max(due + seconds, now)
                if function.function_name not in self._running:
                    self._start(cloud, function, now)

    def stop(self) -> None:
        """End every invocation, and leave nothing."""
        for running in self._running.values():
            running.process.kill()
            running.process.wait()
            running.said.close()
        self._running.clear()
        self._packages.cleanup()

    def _start(self, cloud: Cloud, function: Any, now: float) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 (until the invocation ends)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", RUNTIME, self._package(function), _site(), function.handler],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env={**function.environment_vars, **self._credentials()},
        )
        assert process.stdin
        with process.stdin as events:
            events.write(json.dumps({"time": cloud.clock.cloud_date(now).isoformat()}).encode())
        self._running[function.function_name] = Running(process, said, now + function.timeout * cloud.clock.scale)

    def _end(self, cloud: Cloud, name: str, running: Running) -> None:
        timed_out = running.process.poll() is None
        if timed_out:
            running.process.kill()
        code = running.process.wait()
        running.said.seek(0)
        said = running.said.read().decode(errors="replace")[-MOST_TOLD:].strip()
        running.said.close()
        del self._running[name]
        if code:
            error = "it ran into its timeout" if timed_out else said
            cloud.events.add(event_log.FUNCTION_FAILED, function=name, error=error)
            structlog.get_logger().error("a function failed", function=name, error=error)
        else:
            cloud.events.add(event_log.FUNCTION_RAN, function=name, result=said)

    def _package(self, function: Any) -> str:
        folder = Path(self._packages.name, re.sub(r"[^A-Za-z0-9]", "-", function.code_sha_256))
        if not folder.is_dir():
            with zipfile.ZipFile(BytesIO(function.code_bytes)) as archive:
                archive.extractall(folder)
        return str(folder)

    def _credentials(self) -> dict[str, str]:
        """Of nobody: the local AWS asks for none, and no file of the user's is read."""
        return {
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.0/8",
        }


def _site() -> str:
    return str(Path(boto3.__file__).parents[1])


def _schedules() -> Iterator[tuple[str, int, Any]]:
    """Every enabled rule with a rate and a function behind it: its ARN, the seconds between two runs, the function."""
    # Imported late: moto reads the environment when it is imported.
    from moto.awslambda.models import lambda_backends
    from moto.events.models import events_backends

    for region, events in list(events_backends[ACCOUNT].items()):
        for rule in list(events.event_buses["default"].rules.values()):
            found = EVERY.fullmatch(rule.scheduled_expression or "")
            if found and rule.state == "ENABLED":
                seconds = int(found[1]) * SECONDS[found[2]]
                known = {one.function_arn: one for one in lambda_backends[ACCOUNT][region].list_functions()}
                for target in rule.targets:
                    if target["Arn"] in known:
                        yield rule.arn, seconds, known[target["Arn"]]
