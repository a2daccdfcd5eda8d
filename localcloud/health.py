"""Health of a load balancer's targets, by the rules of an Application Load Balancer.

Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html.
Different here: until a target's first success it is checked twice a second, whatever the interval, so that `make up`
need not wait for it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import aiohttp
import structlog

from localcloud.admin import HealthCheck, Target, TargetGroup
from localcloud.errors import AdminError

INITIAL, HEALTHY, UNHEALTHY = "initial", "healthy", "unhealthy"
INITIAL_SECONDS = 0.5

States = dict[str, tuple[str, str]]  # by instance id: state and reason, as DescribeTargetHealth names them
Report = Callable[[str, States], Awaitable[None]]


@dataclass(frozen=True)
class TargetHealth:
    """`run` counts the checks in a row that speak against the present state."""

    state: str = INITIAL
    reason: str = "Elb.InitialHealthChecking"
    run: int = 0


def observe(health: TargetHealth, failure: str | None, check: HealthCheck, age_seconds: float) -> TargetHealth:
    """The health after one more check.

    Args:
        failure: the reason code of a failed check; None for a success.
        age_seconds: how long the target has been registered.
    """
    if health.state == INITIAL:  # one success is enough for a new target
        if failure is None:
            return TargetHealth(HEALTHY, "")
        patience = check.unhealthy_threshold * check.interval_seconds
        return TargetHealth(UNHEALTHY, failure) if age_seconds >= patience else health
    if (failure is None) == (health.state == HEALTHY):
        return replace(health, reason=failure or "", run=0)
    run = health.run + 1
    if health.state == HEALTHY:
        return TargetHealth(UNHEALTHY, failure or "") if run >= check.unhealthy_threshold else replace(health, run=run)
    return TargetHealth(HEALTHY, "") if run >= check.healthy_threshold else replace(health, run=run)


def matches(status: int, matcher: str) -> bool:
    """Whether a status is among "200", "200,202" or "200-299"."""
    ranges = (part.partition("-") for part in matcher.split(","))
    return any(int(first) <= status <= int(last or first) for first, _, last in ranges)


async def probe(http: aiohttp.ClientSession, target: Target, check: HealthCheck) -> str | None:
    """Ask once, on a connection of its own. Returns None, or the reason code of the failure."""
    port = target.port if check.port == "traffic-port" else int(check.port)
    url = f"http://{target.address}:{port}{check.path}"
    headers = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
    timeout = aiohttp.ClientTimeout(check.timeout_seconds)
    try:
        async with http.get(url, headers=headers, timeout=timeout, allow_redirects=False) as response:
            return None if matches(response.status, check.matcher) else "Target.ResponseCodeMismatch"
    except TimeoutError:
        return "Target.Timeout"
    except (aiohttp.ClientError, OSError, ValueError):
        return "Target.FailedHealthChecks"


class CheckedGroup:
    """The targets of one group, each checked at the group's interval, and the next one to send a request to."""

    def __init__(self, http: aiohttp.ClientSession, report: Report, clock: Callable[[], float]) -> None:
        self._http = http
        self._report = report
        self._clock = clock
        self._tasks: dict[Target, asyncio.Task[None]] = {}
        self._health: dict[Target, TargetHealth] = {}
        self._healthy: tuple[Target, ...] = ()
        self._turns = itertools.count()
        self._check: HealthCheck | None = None

    def choose(self) -> Target | None:
        """Healthy targets in turn; None when there is none."""
        return self._healthy[next(self._turns) % len(self._healthy)] if self._healthy else None

    async def follow(self, group: TargetGroup) -> None:
        """Check exactly the targets that `group` has now. Requests to a target that left go on to their end."""
        changed_check = group.health_check != self._check
        self._check = group.health_check
        for target in [each for each in self._tasks if changed_check or each not in group.targets]:
            self._tasks.pop(target).cancel()
        for target in [each for each in self._health if each not in group.targets]:
            del self._health[target]
        self._choose_among()
        for target in group.targets:
            if target not in self._tasks:
                self._tasks[target] = asyncio.create_task(self._watch(group, target))

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _choose_among(self) -> None:
        self._healthy = tuple(target for target, health in self._health.items() if health.state == HEALTHY)

    async def _watch(self, group: TargetGroup, target: Target) -> None:
        check, registered, reported = group.health_check, self._clock(), ""
        self._health.setdefault(target, TargetHealth())
        while True:
            began = self._clock()
            failure = await probe(self._http, target, check)
            health = observe(self._health[target], failure, check, self._clock() - registered)
            self._health[target] = health
            self._choose_among()
            if health.state != reported and await self._tell(group, target, health):
                reported = health.state
            pause = INITIAL_SECONDS if health.state == INITIAL else check.interval_seconds
            await asyncio.sleep(max(0.0, began + min(pause, check.interval_seconds) - self._clock()))

    async def _tell(self, group: TargetGroup, target: Target, health: TargetHealth) -> bool:
        log = structlog.get_logger().bind(target=target.instance_id, address=f"{target.address}:{target.port}")
        log.info("target health", state=health.state, reason=health.reason)
        try:
            await self._report(group.arn, {target.instance_id: (health.state, health.reason)})
        except AdminError as error:
            log.warning("target health is not recorded", error=str(error))
            return False
        return True
