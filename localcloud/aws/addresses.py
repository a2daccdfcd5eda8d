"""Addresses of this cloud's instances and load balancers, all in its 127.A.0.0/16."""

from collections import deque


class AddressBook:
    """Gives out 127.A.1.1 … 127.A.254.254 to instances and 127.A.255.1 … to load balancers.

    An address that was given back is given out again only when no fresh one is left: whoever still remembers the old
    owner shall not meet another one there.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        fresh = (f"{prefix}.{third}.{last}" for third in range(1, 255) for last in range(1, 255))
        self._instances = deque(fresh)
        self._balancers = deque(f"{prefix}.255.{last}" for last in range(1, 255))

    def take_instance(self) -> str:
        """Raises LookupError when all are taken."""
        return self._take(self._instances, "instances")

    def give_back_instance(self, address: str) -> None:
        self._instances.append(address)

    def take_balancer(self) -> str:
        """Raises LookupError when all are taken."""
        return self._take(self._balancers, "load balancers")

    def give_back_balancer(self, address: str) -> None:
        self._balancers.append(address)

    def _take(self, free: "deque[str]", whose: str) -> str:
        if not free:
            raise LookupError(f"all addresses of {self.prefix} for {whose} are taken; delete some of them")
        return free.popleft()
