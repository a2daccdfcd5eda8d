"""What this cloud has beyond moto's own state: clock, events, addresses, spot notices, and one lock over all of it."""

import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from localcloud.aws.addresses import AddressBook
from localcloud.aws.clock import Clock
from localcloud.aws.event_log import EventLog
from localcloud.aws.faults import Faults

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass
class SpotNotice:
    """What EC2 has announced to one spot instance; times are cloud seconds.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
    """

    rebalance_at: float | None = None
    noticed_at: float | None = None
    ends_at: float | None = None
    present_before: frozenset[str] | None = None  # instances of the group when its replacement was ordered


@dataclass
class Cloud:
    """One cloud. `lock` is held by every EC2, Auto Scaling and load balancer request and by each tick."""

    prefix: str
    clock: Clock
    run_id: str = "local"
    hosts: IPv4Network | None = None  # where instances are hosts: their network
    consoles: Path | None = None  # has a folder per instance, in which stdout.log is what the instance has said
    events: EventLog = field(default_factory=EventLog)
    faults: Faults = field(default_factory=Faults)
    spot: dict[str, SpotNotice] = field(default_factory=dict)
    # instance id -> state and reason, by target group ARN: the load balancers' own reports
    target_health: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    tick_failures: dict[str, str] = field(default_factory=dict)  # by group or part: the last failure that still holds
    lock: threading.RLock = field(default_factory=threading.RLock)
    addresses: AddressBook = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = AddressBook(self.prefix, self.hosts)


_current: list[Cloud] = []


def current() -> Cloud:
    """The cloud that moto's backends of this process belong to: they are global, so there is one at a time."""
    if not _current:
        raise RuntimeError("no local cloud is installed; localcloud.aws.installation.installed does it")
    return _current[0]


def set_current(cloud: Cloud | None) -> None:
    """Only for `installation`. Raises RuntimeError when another cloud is there."""
    if cloud is not None and _current:
        raise RuntimeError("a local cloud is installed in this process already: one at a time")
    _current[:] = [cloud] if cloud else []
