"""A simulated fleet under a policy that plans every minute, whichever way its requests are served.

Figures of requests reach the policy a minute late, as metrics do; what the groups hold is known at once, as Describe
calls show it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from infra.planner.model import Limits, Observation, Policy
from scripts.simulator.fluid import FluidQueue
from scripts.simulator.groups import Group
from scripts.simulator.request_queue import RequestQueue
from scripts.simulator.scene import STEP_SECONDS, Queue, Scene
from scripts.simulator.traces import Floats

STEPS_A_MINUTE = 6
START_UNIX_SECONDS = 1_700_000_000.0
FLUID, REQUEST = "fluid", "request"
LEVELS: dict[str, Callable[[Scene, Floats], Queue]] = {FLUID: FluidQueue, REQUEST: RequestQueue}


@dataclass
class Minute:
    """What is kept of each minute for plots and diagnosis."""

    demand: float
    ready: tuple[int, ...]
    late: float


@dataclass
class Run:
    """What happened, from `first_scored` on. `waits` and `first_tokens` hold (seconds, work) of all that was served;
    work in replica-seconds.
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
    waits: dict[float, float] = field(default_factory=dict)
    first_tokens: dict[float, float] = field(default_factory=dict)
    minutes: list[Minute] = field(default_factory=list)


def simulate(
    scene: Scene, policy: Policy, progress: Callable[[float], None] = lambda share: None, level: str = FLUID
) -> Run:
    """Replay the scene once. Same scene, same policy: same run."""
    offered = scene.offered()
    world = _World(scene, policy, scene.limits(offered), LEVELS[level](scene, offered))
    world.start_warm(offered)
    for index in range(scene.steps):
        world.step(index)
        if index % 8640 == 0:
            progress(index / scene.steps)
    world.run.waits, world.run.first_tokens = world.queue.waits, world.queue.first_tokens
    return world.run


class _World:
    def __init__(self, scene: Scene, policy: Policy, limits: Limits, queue: Queue) -> None:
        self.scene, self.policy, self.limits, self.queue = scene, policy, limits, queue
        self.groups = scene.groups()
        self.run = Run(scene, self.groups)
        self.state: object = None
        self.minute = [0.0, 0.0, 0.0]  # offered, answered, late of the running minute
        self.known: tuple[float | None, float, float, float] = (
            None,
            0.0,
            0.0,
            0.0,
        )  # offered per second, backlog, answered, late as metrics show them
        self.launched_before = 0

    def start_warm(self, offered: Floats) -> None:
        """On-demand replicas for the first hour, ready: no policy begins with a queue."""
        first = offered[: int(3600 / STEP_SECONDS)].tolist()
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
        self._serve(index, ready, scored)

    def _bill(self, group: Group) -> None:
        self.run.usd += group.billed_seconds * group.usd_per_hour / 3600
        self.run.warm_up_usd += group.warming_seconds * group.usd_per_hour / 3600
        group.billed_seconds = group.warming_seconds = 0.0

    def _serve(self, index: int, ready: int, scored: bool) -> None:
        work, offered, answered, late, dropped = self.queue.serve(index, ready, scored)
        self.minute[0] += work
        self.minute[1] += answered + dropped
        self.minute[2] += late
        if scored:
            run = self.run
            run.offered += offered
            run.served += answered
            run.late += late
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
            self.run.launches = sum(launched) - self.launched_before
        else:
            self.launched_before = sum(launched)
        self.known = (
            self.minute[0] / 60 if index else None,
            max(self.queue.waiting, 0.0),
            self.minute[1],
            self.minute[2],
        )
        self.minute = [0.0, 0.0, 0.0]
