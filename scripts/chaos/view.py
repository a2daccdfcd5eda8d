"""What is asked of the fleet from outside while it is struck."""

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from inference_service import contract
from scripts.chaos.fleet import GATEWAY_PORT, NODE_PORT, Fleet

LOOK_SECONDS = 0.05


def local(fleet: Fleet, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """One of the local cloud's own routes, which no fault reaches."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{fleet.state.endpoint_url}/_local/{path}", data, method=method), timeout=30) as answer:
        return json.load(answer)


def instances(fleet: Fleet, role: str) -> dict[str, str]:
    """Addresses by the id of each running instance."""
    listed = local(fleet, "GET", "instances")
    return {
        each["instance_id"]: each["private_ip"]
        for each in listed
        if each["state"] == "running" and each["tags"].get(contract.TAG_ROLE) == role
    }


def gateways(fleet: Fleet) -> list[str]:
    """URLs of the gateways that answer their readiness check, as a load balancer would know them."""
    addresses = sorted(instances(fleet, contract.ROLE_GATEWAY).values())
    urls = [f"http://{address}:{GATEWAY_PORT}" for address in addresses]
    return [url for url in urls if is_ready(url)]


def described(fleet: Fleet) -> list[Mapping[str, Any]]:
    """The nodes as a gateway sees them; none while no gateway answers."""
    for url in gateways(fleet):
        with contextlib.suppress(OSError, ValueError), urlopen(url + contract.PATH_FLEET, timeout=5) as answer:
            found: list[Mapping[str, Any]] = json.load(answer)["nodes"]
            return found
    return []


def warm(fleet: Fleet) -> list[str]:
    """Ids of the nodes that say themselves that they are ready."""
    nodes = instances(fleet, contract.ROLE_NODE)
    return [each for each, address in nodes.items() if is_ready(f"http://{address}:{NODE_PORT}")]


def resumed(url: str) -> int:
    """How many streams a gateway has had another node go on with."""
    with urlopen(url + contract.PATH_METRICS, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    name = f"{contract.METRIC_GATEWAY_RESUMED_STREAMS}_total"
    found = [float(line.split()[1]) for line in lines if line.split()[:1] == [name]]
    return int(sum(found))


def is_ready(url: str) -> bool:
    try:
        with urlopen(url + contract.PATH_READY, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def seconds_until_unready(address: str, most: float) -> float | None:
    """From now until the node says that it is not ready, or does not answer; None: it stays ready."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < most:
        if not is_ready(f"http://{address}:{NODE_PORT}"):
            return passed
        time.sleep(LOOK_SECONDS)
    return None


def seconds_until_gone(fleet: Fleet, instance_id: str, most: float) -> float | None:
    """From now until EC2 has taken the instance; None: it is still there."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < most:
        if instance_id not in instances(fleet, contract.ROLE_NODE):
            return passed
        time.sleep(LOOK_SECONDS)
    return None
