"""The fluid mode: work arrives as tokens, waits in one queue, is served by what is ready; a policy plans every minute.

Requests are not told apart: each step's tokens are a drop that waits, is served or dropped. Figures of requests reach
the policy a minute late, as metrics do; what the groups hold is known at once, as Describe calls show it.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from infra.planner.model import Limits, Observation, Policy, Promise
from scripts.simulator.groups import Group
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import Floats, Series

STEP_SECONDS = 10.0
STEPS_A_MINUTE = 6
DROP_AFTER_SECONDS = 120.0
SKIPPED_DAYS = 2.0  # at the start: every policy learns something first
REQUESTS_PER_REPLICA_SECOND = 5.0  # graininess: offered work of a step varies as a Poisson count of so many requests
START_UNIX_SECONDS = 1_700_000_000.0


@dataclass(frozen=True)
class Scene:
    """Everything of a run but the policy. The unit of work is what one replica does in a second."""

    load: Series
    supplies: tuple[Supply, ...]
    mean_replicas: float = 12.0
    warm_up_seconds: float = 300.0
    promise: Promise = field(default_factory=Promise)
    spot_usd_per_hour: tuple[float, ...] = ()
    on_demand_usd_per_hour: float = 1.0
    most_replicas: int = 0  # of each group; 0: four times the busiest hour needs
    seed: int = 0
    skipped_days: float = SKIPPED_DAYS

    @property
    def steps(self) -> int:
        """The run ends with the shorter of load and supplies; nothing is repeated."""
        seconds = min([self.load.seconds, *(supply.capacity.seconds for supply in self.supplies)])
        return int(seconds // STEP_SECONDS)

    @property
    def first_scored(self) -> int:
        """Short traces, below three times what is skipped, start warm and are scored whole."""
        skipped = int(self.skipped_days * 86_400 / STEP_SECONDS)
        return skipped if self.steps >= 3 * skipped or skipped == 0 else 0

    def offered(self) -> Floats:
        """Replica-seconds of work that arrive in each step."""
        rate = self.load.at_steps(STEP_SECONDS, self.steps)
        rate = rate * (self.mean_replicas / max(float(rate[self.first_scored :].mean()), 1e-12))
        requests = np.random.default_rng([self.seed, 1]).poisson(rate * STEP_SECONDS * REQUESTS_PER_REPLICA_SECOND)
        return np.asarray(requests / REQUESTS_PER_REPLICA_SECOND, dtype=np.float64)

    def groups(self) -> list[Group]:
        prices = self.spot_usd_per_hour or (0.41 * self.on_demand_usd_per_hour,) * len(self.supplies)
        zones = [
            (supply.capacity.name, prices[i], supply.capacity.at_steps(STEP_SECONDS, self.steps).astype(int).tolist())
            for i, supply in enumerate(self.supplies)
        ]
        rng = random.Random(self.seed * 7919 + 1)
        made = [Group(f"spot-{n}", True, usd, cap, rng, self.warm_up_seconds) for n, usd, cap in zones]
        return [*made, Group("on-demand", False, self.on_demand_usd_per_hour, None, rng, self.warm_up_seconds)]

    def limits(self, offered: Floats) -> Limits:
        most = self.most_replicas or self._ample(offered)
        names = [f"spot-{supply.capacity.name}" for supply in self.supplies]
        return Limits(dict.fromkeys([*names, "on-demand"], most), promise=self.promise)

    def _ample(self, offered: Floats) -> int:
        an_hour = int(3600 / STEP_SECONDS)
        busiest = (
            np.convolve(offered, np.ones(an_hour) / an_hour, "valid").max()
            if len(offered) > an_hour
            else offered.mean()
        )
        return max(4, int(4 * busiest / STEP_SECONDS))


@dataclass
class Minute:
    """What is kept of each minute for plots and diagnosis."""

    demand: float
    ready: tuple[int, ...]
    late: float


@dataclass
class Run:
    """What happened, from `first_scored` on. `waits` holds (seconds, work) of all that was served; work in
    replica-seconds.
    """

    scene: Scene
    groups: list[Group]
    offered: float = 0.0
    served: float = 0.0
    late: float = 0.0
    dropped: float = 0.0
    usd: float = 0.0
    warm_up_usd: float = 0.0
    launches: int = 0
    waits: dict[int, float] = field(default_factory=dict)  # whole seconds -> work
    minutes: list[Minute] = field(default_factory=list)


def simulate(scene: Scene, policy: Policy, progress: Callable[[float], None] = lambda share: None) -> Run:
    """Replay the scene once. Same scene, same policy: same run."""
    offered = scene.offered()
    groups = scene.groups()
    world = _World(scene, policy, groups, scene.limits(offered), offered.tolist())
    world.start_warm()
    for index in range(scene.steps):
        world.step(index)
        if index % 8640 == 0:
            progress(index / scene.steps)
    return world.run


class _World:
    def __init__(
        self, scene: Scene, policy: Policy, groups: list[Group], limits: Limits, offered: Sequence[float]
    ) -> None:
        self.scene, self.policy, self.groups, self.limits, self.offered = scene, policy, groups, limits, offered
        self.run = Run(scene, groups)
        self.queue: deque[list[float]] = deque()  # [arrived at, work]
        self.waiting = 0.0
        self.state: object = None
        self.minute = [0.0, 0.0, 0.0]  # offered, answered, late of the running minute
        self.known: tuple[float | None, float, float, float] = (
            None,
            0.0,
            0.0,
            0.0,
        )  # offered per second, backlog, answered, late as metrics show them

    def start_warm(self) -> None:
        """On-demand replicas for the first hour, ready: no policy begins with a queue."""
        first = self.offered[: int(3600 / STEP_SECONDS)]
        group = self.groups[-1]
        group.ready = group.desired = 1 + int(1.25 * sum(first) / len(first) / STEP_SECONDS)

    def step(self, index: int) -> None:
        now = index * STEP_SECONDS
        if index % STEPS_A_MINUTE == 0:
            self._plan(now, index)
        scored = index >= self.scene.first_scored
        ready = 0
        for group in self.groups:
            group.step(now, index, STEP_SECONDS)
            ready += group.ready
            if scored:
                self._bill(group)
            else:
                group.billed_seconds = group.warming_seconds = 0.0
        self._serve(now, self.offered[index], ready * STEP_SECONDS, scored)

    def _bill(self, group: Group) -> None:
        self.run.usd += group.billed_seconds * group.usd_per_hour / 3600
        self.run.warm_up_usd += group.warming_seconds * group.usd_per_hour / 3600
        group.billed_seconds = group.warming_seconds = 0.0

    def _serve(self, now: float, work: float, capacity: float, scored: bool) -> None:
        """First in, first out. Work of this step that fits has not waited; the rest waits until the step that
        serves it.
        """
        queue, run, limit = self.queue, self.run, self.scene.promise.wait_seconds
        late = answered = dropped = 0.0
        self.minute[0] += work
        while queue and now - queue[0][0] > DROP_AFTER_SECONDS:
            _, lost = queue.popleft()
            dropped += lost
            self.waiting -= lost
        if work > 0:
            queue.append([now, work])
            self.waiting += work
        room = capacity
        while queue and room > 0:
            arrived, amount = queue[0]
            part = amount if amount <= room else room
            waited = now - arrived
            if scored:
                key = int(waited)
                run.waits[key] = run.waits.get(key, 0.0) + part
            if waited > limit:
                late += part
            answered += part
            room -= part
            self.waiting -= part
            if part == amount:
                queue.popleft()
            else:
                queue[0][1] = amount - part
        self.minute[1] += answered + dropped
        self.minute[2] += late + dropped
        if scored:
            run.offered += work
            run.served += answered
            run.late += late + dropped
            run.dropped += dropped

    def _plan(self, now: float, index: int) -> None:
        offered, backlog, answered, late = self.known
        pools = tuple(group.observed(now) for group in self.groups)
        warm_ups = tuple(one for group in self.groups for one in group.take_warm_ups())
        observation = Observation(START_UNIX_SECONDS + now, pools, 1.0, offered, backlog, answered, late, warm_ups)
        plan = self.policy(observation, self.state, self.limits)
        self.state = plan.state
        wanted = plan.desired()
        launched = [group.launched for group in self.groups]
        for group in self.groups:
            group.desired = wanted.get(group.name, group.desired)
        if index >= self.scene.first_scored:
            self.run.minutes.append(Minute(self.minute[0] / 60, tuple(pool.ready for pool in pools), self.minute[2]))
            self.run.launches = sum(launched) - self._launched_before
        else:
            self._launched_before = sum(launched)
        self.known = (self.minute[0] / 60 if index else None, max(self.waiting, 0.0), self.minute[1], self.minute[2])
        self.minute = [0.0, 0.0, 0.0]

    _launched_before = 0
