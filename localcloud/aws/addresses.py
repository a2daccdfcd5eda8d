"""Addresses of this cloud's instances and load balancers: in its 127.A.0.0/16, or instances in their hosts' network."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import islice


class AddressBook:
    """Gives out 127.A.1.1 … 127.A.254.254 to instances and 127.A.255.1 … to load balancers.

    Where instances are hosts, they get the addresses of network `hosts` but for its first, which is the bridge's.

    An address that was given back is given out again only when no fresh one is left: whoever still remembers the old
    owner shall not meet another one there.
    """

    def __init__(self, prefix: str, hosts: IPv4Network | None = None) -> None:
        self.prefix = prefix
        loopback = (f"{prefix}.{third}.{last}" for third in range(1, 255) for last in range(1, 255))
        self._instances = _Pool(loopback if hosts is None else islice(map(str, hosts.hosts()), 1, None))
        self._balancers = _Pool(f"{prefix}.255.{last}" for last in range(1, 255))

    def take_instance(self) -> str:
        """Raises LookupError when all are taken."""
        return self._take(self._instances, "instances")

    def give_back_instance(self, address: str) -> None:
        self._instances.given_back.append(address)

    def take_balancer(self) -> str:
        """Raises LookupError when all are taken."""
        return self._take(self._balancers, "load balancers")

    def give_back_balancer(self, address: str) -> None:
        self._balancers.given_back.append(address)

    def _take(self, pool: "_Pool", whose: str) -> str:
        address = next(pool.fresh, None) or (pool.given_back.popleft() if pool.given_back else None)
        if address is None:
            raise LookupError(f"all addresses of {self.prefix} for {whose} are taken; delete some of them")
        return address


@dataclass
class _Pool:
    """Addresses that nobody had yet, told one by one, and those that were given back, the oldest first."""

    fresh: Iterator[str]
    given_back: "deque[str]" = field(default_factory=deque)
