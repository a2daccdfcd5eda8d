"""A local AWS inside a test's own process, spoken to over HTTP like the real one."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from localcloud.aws import ticking as time_passing
from localcloud.aws.clock import ManualClock
from localcloud.aws.cloud import REGION, Cloud
from localcloud.aws.installation import installed
from localcloud.aws.server import Server
from localcloud.aws.ticker import Ticker

HOST_SUFFIX = ".0.1"
STOP_POLL_SECONDS = 0.005  # a test waits for the end of its server, and lives too briefly to mind the wake-ups


@functools.cache
def _session() -> Any:
    """Shared: reading the service models takes longer than most tests."""
    return boto3.Session("local", "local")


@dataclass
class LocalAws:
    """A served cloud whose time passes only when the test says so: `clock.advance(seconds)`, then `tick()`."""

    url: str
    cloud: Cloud
    clock: ManualClock
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client of this cloud with made-up credentials; the same one each time."""
        if (service, region) not in self._clients:
            config = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30)
            client = _session().client(service, region_name=region, endpoint_url=self.url, config=config)
            self._clients[service, region] = client
        return self._clients[service, region]

    def tick(self, times: int = 1) -> None:
        """Let everything happen that is due. A launched instance runs a tick later, is in service one more later."""
        for _ in range(times):
            time_passing.tick(self.cloud)

    def pass_seconds(self, seconds: float) -> None:
        """Advance the clock and tick."""
        self.clock.advance(seconds)
        self.tick()


@contextlib.contextmanager
def local_aws(
    prefix: str = "127.0", time_scale: float = 1.0, *, ticking: bool = False, consoles: Path | None = None
) -> Iterator[LocalAws]:
    """Serve a fresh cloud at PREFIX.0.1; afterwards nothing is left of it, and moto is as it was.

    One at a time in a process.

    Args:
        prefix: the /16 to live on.
        time_scale: cloud seconds per real second, in the dates that the cloud tells.
        consoles: has a folder per instance, in which stdout.log is what the instance says.
        ticking: have a thread tick, so that launches happen by themselves; the clock still stands until it is advanced.
    """
    clock = ManualClock(time_scale)
    cloud = Cloud(prefix, clock, consoles=consoles)
    with installed(cloud):
        server = Server(prefix + HOST_SUFFIX, poll_seconds=STOP_POLL_SECONDS)
        server.start()
        aws = LocalAws(server.url, cloud, clock)
        ticker = Ticker(aws.tick) if ticking else None
        try:
            if ticker:
                ticker.start()
            yield aws
        finally:
            if ticker:
                ticker.stop()
            cloud.events.close()
            for client in aws._clients.values():
                client.close()
            server.stop()
