"""The test network of one cloud's hosts: a bridge in a network namespace of its own, and a namespace per host on it.

Nothing of this machine's own network is changed: no route, no address, no firewall rule. Hosts have no way out at all;
what they reach beyond each other is what `relay.py` listens for on the bridge.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.hosts.namespace import FOLDER

# For tests of networks, and never routed on the internet: https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2
RANGE = IPv4Network("198.18.0.0/15")
METADATA = "169.254.169.254"
BRIDGE, IN_HOST = "bridge", "host0"
SECONDS = 20


def key_of(folder: Path) -> str:
    """What everything of the hosts of one `.warmfleet` is called: namespaces, cgroups. The same one each time."""
    return f"warmfleet-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}"


def connections_of(key: str) -> Path:
    """Where ssh keeps the connections to hosts that it shares; a short path, as those of sockets have to be."""
    return Path("/run") / key


def candidates(key: str) -> Iterator[IPv4Network]:
    """Every /24 of RANGE once; the first depends on `key` alone."""
    count = 2 ** (24 - RANGE.prefixlen)
    first = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    for step in range(count):
        yield IPv4Network((int(RANGE.network_address) + ((first + step) % count << 8), 24))


def choose(key: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first network in which this machine has neither an address nor a route.

    Raises:
        LocalCloudError: there is none.
    """
    known = list(taken)
    for network in candidates(key):
        if not any(network.overlaps(each) for each in known):
            return network
    raise LocalCloudError(f"this machine has routes into all of {RANGE}, where the hosts' network would be; remove one")


def routes_here() -> list[IPv4Network]:
    """Where this machine's own routes lead, but for the default one. Addresses are routes of its table `local`."""
    shown = json.loads(_ip("-4", "-json", "route", "show", "table", "all") or "[]")
    return [IPv4Network(each["dst"], strict=False) for each in shown if each["dst"] != "default"]


@dataclass(frozen=True)
class HostNetwork:
    """The first address of `network` is the bridge's, the others are hosts'."""

    key: str
    network: IPv4Network

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    def create(self) -> None:
        """Make namespace and bridge. Raises LocalCloudError."""
        _ip("netns", "add", self.key)
        inside = ("-netns", self.key)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "add", BRIDGE, "type", "bridge")
        for address in (f"{self.gateway}/{self.network.prefixlen}", f"{METADATA}/32"):
            _ip(*inside, "address", "add", address, "dev", BRIDGE)
        _ip(*inside, "link", "set", BRIDGE, "up")

    def namespace_of(self, instance_id: str) -> str:
        return f"{self.key}-{instance_id}"

    def add(self, instance_id: str, address: str) -> None:
        """Make a host's namespace, with its address and a way to instance metadata. Raises LocalCloudError."""
        name, cable = self.namespace_of(instance_id), f"v{instance_id[-12:]}"
        _ip("netns", "add", name)
        peer = ("peer", "name", IN_HOST, "netns", name)
        _ip("-netns", self.key, "link", "add", cable, "type", "veth", *peer)
        _ip("-netns", self.key, "link", "set", cable, "master", BRIDGE, "up")
        inside = ("-netns", name)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "address", "add", f"{IPv4Address(address)}/{self.network.prefixlen}", "dev", IN_HOST)
        _ip(*inside, "link", "set", IN_HOST, "up")
        _ip(*inside, "route", "add", f"{METADATA}/32", "dev", IN_HOST)

    def remove(self, instance_id: str) -> None:
        """Its cable goes with it."""
        remove_namespace(self.namespace_of(instance_id))


def namespaces_of(key: str) -> list[str]:
    """Every namespace that a cloud made, or has left behind: hosts' first."""
    return sorted((each.name for each in FOLDER.glob(f"{key}*")), key=len, reverse=True)


def remove_namespace(name: str) -> None:
    if (FOLDER / name).exists():
        _ip("netns", "delete", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise LocalCloudError(f"the hosts' network: `ip {' '.join(words)}` says: {done.stderr.strip()}")
    return done.stdout
