"""What a rollout has seen so far, as far as later decisions depend on it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from inference_service.artifacts import Pointer
from scripts.rollout.member import Member

TRAFFIC_SECONDS = 10.0  # "present traffic" is the most that was in flight at once within so long
DRAIN_SECONDS = 120.0  # more than a node may take to finish its answers (setting node_drain_seconds)
WARM_UP_FACTOR = 3.0  # a disk or a bucket may be slower today
LEAST_WARM_UP_SECONDS = 60.0
UNMEASURED_SECONDS = 1800.0  # a node's own default of WARMFLEET_LOAD_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Answers:
    """Answers counted, and how many of them the engine failed."""

    answered: int = 0
    failed: int = 0

    @property
    def failed_share(self) -> float:
        return self.failed / self.answered if self.answered else 0.0


@dataclass(frozen=True)
class History:
    """Times are on one clock, in seconds. `size_ratio`: bytes of the candidate by bytes of the current version."""

    began_at: float
    size_ratio: float = 1.0
    seen_at: float = 0.0  # when any node was reported last
    loads: tuple[tuple[float, int], ...] = ()  # (when, answers in flight)
    warm_up_seconds: float | None = None  # the longest that was measured before the candidate
    pending: Mapping[str, float] = field(default_factory=dict)  # under the wave without serving it, since when
    proven: Mapping[str, int | None] = field(default_factory=dict)  # the process that served the candidate
    settled_at: float | None = None  # since when the whole wave serves
    before: Mapping[str, Answers] = field(default_factory=dict)  # of the current version, as first seen
    after: Mapping[str, Answers] = field(default_factory=dict)  # and as last seen

    @property
    def traffic(self) -> int:
        """The most answers in flight at once, of late."""
        return max((load for _, load in self.loads), default=0)

    @property
    def current_answers(self) -> Answers:
        """What the current version's nodes have answered since the rollout began."""
        gained = [(last, self.before[node]) for node, last in self.after.items()]
        return Answers(
            sum(last.answered - first.answered for last, first in gained),
            sum(last.failed - first.failed for last, first in gained),
        )

    @property
    def patience_seconds(self) -> float:
        """How long a node may take to drain and to serve the candidate: by what its kind has measured."""
        if self.warm_up_seconds is None:
            return DRAIN_SECONDS + UNMEASURED_SECONDS
        expected = WARM_UP_FACTOR * self.warm_up_seconds * max(1.0, self.size_ratio)
        return DRAIN_SECONDS + max(LEAST_WARM_UP_SECONDS, expected)


def begin(now: float, size_ratio: float = 1.0) -> History:
    return History(began_at=now, size_ratio=size_ratio, seen_at=now)


def seen(history: History, pointer: Pointer, nodes: Iterable[Member], now: float) -> History:
    """The history after one look. A look that shows no node at all changes nothing."""
    present = list(nodes)
    if not present:
        return history
    wave = [node for node in present if pointer.version_for(node.instance_id) == pointer.candidate]
    serving = [node for node in wave if pointer.candidate and node.serves(pointer.candidate)]
    proven = {node.instance_id: node.process for node in serving} | dict(history.proven)
    pending = {
        node.instance_id: history.pending.get(node.instance_id, now)
        for node in wave
        if node not in serving and (node.state or node.instance_id in {*history.pending, *proven})
    }
    since = now if history.settled_at is None else history.settled_at
    load = sum(node.in_flight for node in present)
    return replace(
        _counted(history, pointer, present),
        seen_at=now,
        loads=(*((at, had) for at, had in history.loads if now - at <= TRAFFIC_SECONDS), (now, load)),
        pending=pending,
        proven=proven,
        settled_at=since if serving and not pending else None,
    )


def _counted(history: History, pointer: Pointer, present: list[Member]) -> History:
    """With the current version's answers and warm-ups; a node that counts anew was loaded again, and starts anew."""
    before, after, longest = dict(history.before), dict(history.after), history.warm_up_seconds
    for node in present:
        if not node.serves(pointer.current) or pointer.version_for(node.instance_id) != pointer.current:
            continue
        now = Answers(node.answered, node.failed)
        first = before.get(node.instance_id)
        before[node.instance_id] = first if first and first.answered <= now.answered else now
        after[node.instance_id] = now
        longest = max((each for each in (longest, node.warm_up_seconds) if each is not None), default=None)
    return replace(history, before=before, after=after, warm_up_seconds=longest)
