"""The AWS process as the supervisor and the load balancers see it: its `/_local/` routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from localcloud.errors import AdminError

ANSWER_SECONDS = 30.0
IDLE_SECONDS = 60.0  # an Application Load Balancer's default


@dataclass(frozen=True)
class Event:
    """Something changed in EC2, Auto Scaling or Elastic Load Balancing; `number` counts up."""

    number: int
    kind: str


@dataclass(frozen=True)
class Instance:
    """One EC2 instance; `state` is EC2's name for it."""

    instance_id: str
    state: str
    address: str
    user_data: str
    tags: Mapping[str, str]
    image_id: str = ""
    reboots: int = 0  # how often RebootInstances was called


@dataclass(frozen=True)
class PendingImage:
    """An image that is to get the disk of an instance; `parent` is the image that the instance was launched from."""

    image_id: str
    instance_id: str
    parent: str


@dataclass(frozen=True)
class HealthCheck:
    """How targets are checked; `port` is a number or "traffic-port", `matcher` like "200-299,301"."""

    path: str
    port: str
    interval_seconds: float
    timeout_seconds: float
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str


@dataclass(frozen=True)
class Target:
    """One registered instance."""

    instance_id: str
    address: str
    port: int


@dataclass(frozen=True)
class TargetGroup:
    """Targets that share a health check."""

    arn: str
    health_check: HealthCheck
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Listener:
    """One address and port of a load balancer, and where its requests go."""

    balancer: str
    address: str
    port: int
    protocol: str
    target_group_arn: str
    idle_seconds: float


@dataclass(frozen=True)
class Balancing:
    """All load balancers."""

    listeners: tuple[Listener, ...]
    target_groups: tuple[TargetGroup, ...]


class Admin:
    """Calls the routes; each raises AdminError when there is no answer as agreed."""

    def __init__(self, http: aiohttp.ClientSession, endpoint_url: str) -> None:
        self._http = http
        self._url = endpoint_url

    async def events(self, after: int, wait_seconds: float) -> list[Event]:
        """Events after the one with number `after`; waits for the next one if there is none yet."""
        answer = await self._get(f"events?after={after}&wait={wait_seconds:g}", wait_seconds + ANSWER_SECONDS)
        return [Event(int(each["seq"]), str(each["type"])) for each in answer["events"]]

    async def instances(self) -> list[Instance]:
        return [read_instance(each) for each in await self._get("instances")]

    async def pending_images(self) -> list[PendingImage]:
        return [PendingImage(**each) for each in await self._get("images")]

    async def image_copied(self, image_id: str, *, copied: bool) -> None:
        """Have an image be available, or failed."""
        await self._ask("POST", "images", json={"image_id": image_id, "copied": copied})

    async def balancing(self) -> Balancing:
        return read_balancing(await self._get("load-balancers"))

    async def report_health(self, target_group_arn: str, states: Mapping[str, tuple[str, str]]) -> None:
        """Have DescribeTargetHealth answer with these states and reasons, by instance id."""
        targets = {each: {"state": state, "reason": reason} for each, (state, reason) in states.items()}
        await self._ask("POST", "target-health", json={"target_group_arn": target_group_arn, "targets": targets})

    async def powered_off(self, instance_id: str) -> None:
        """Tell EC2 that an instance has shut itself down."""
        await self._ask("POST", "powered-off", json={"instance_id": instance_id})

    async def _get(self, path: str, seconds: float = ANSWER_SECONDS) -> Any:
        return await self._ask("GET", path, seconds)

    async def _ask(self, method: str, path: str, seconds: float = ANSWER_SECONDS, json: Any = None) -> Any:
        url, timeout = f"{self._url}/_local/{path}", aiohttp.ClientTimeout(seconds)
        try:
            async with self._http.request(method, url, json=json, timeout=timeout) as response:
                if response.status != 200:
                    raise AdminError(f"{method} {url} answered {response.status}: {(await response.text())[:500]}")
                return await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise AdminError(f"{method} {url}: {type(error).__name__}: {error}") from error


def read_instance(document: Mapping[str, Any]) -> Instance:
    return Instance(
        document["instance_id"],
        document["state"],
        document["private_ip"] or "",
        document["user_data"] or "",
        dict(document["tags"]),
        document.get("image_id", ""),
        document.get("reboots", 0),
    )


def read_balancing(documents: list[Mapping[str, Any]]) -> Balancing:
    groups = {each["arn"]: _target_group(each) for document in documents for each in document["target_groups"]}
    listeners = [_listener(document, each) for document in documents for each in document["listeners"]]
    return Balancing(tuple(listeners), tuple(groups.values()))


def _listener(balancer: Mapping[str, Any], document: Mapping[str, Any]) -> Listener:
    return Listener(
        balancer["name"],
        balancer["address"],
        int(document["port"]),
        document["protocol"],
        document["target_group_arn"],
        float(balancer.get("idle_timeout_seconds", IDLE_SECONDS)),
    )


def _target_group(document: Mapping[str, Any]) -> TargetGroup:
    check = document["health_check"]
    health_check = HealthCheck(
        check["path"],
        str(check["port"]),
        float(check["interval_seconds"]),
        float(check["timeout_seconds"]),
        int(check["healthy_threshold"]),
        int(check["unhealthy_threshold"]),
        str(check["matcher"]),
    )
    targets = tuple(Target(each["instance_id"], each["address"], int(each["port"])) for each in document["targets"])
    return TargetGroup(document["arn"], health_check, targets)
