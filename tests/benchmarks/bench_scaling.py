"""Every policy on every load and supply trace of shared/traces: `make bench-scaling` writes docs/benchmarks/scaling.md.

The traces are not part of this repository: WARMFLEET_TRACES names their folder, by default ../shared/traces. Scoring is
that of docs/scaling.md. The planner and the `-tuned` knobs were tuned on m-small with the 4-node supply alone.
"""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.planner.model import Promise
from scripts.simulator.bound import clairvoyant_usd
from scripts.simulator.policies import OURS, POLICIES
from scripts.simulator.scene import Scene
from scripts.simulator.scene_files import Given, read_scene
from scripts.simulator.score import Score, score, static_fleet_replicas, static_usd
from scripts.simulator.world import simulate

ROOT = Path(__file__).resolve().parents[2]
TRACES = Path(os.environ.get("WARMFLEET_TRACES", ROOT.parent / "shared" / "traces"))
PAGE = ROOT / "docs" / "benchmarks" / "scaling.md"
LOADS = ("m-small", "m-large")
SUPPLIES = {
    "4-node": ("4-node/us-east-1f", "4-node/us-west-2c"),
    "16-node": ("16-node/us-east-2b", "16-node/us-west-2a", "16-node/us-west-2c"),
    "us-west-2": ("16-node/us-west-2a", "16-node/us-west-2c"),
}
PROMISES = {"batch-like, 20 s": Promise(20.0, 0.99), "interactive, 2 s": Promise(2.0, 0.99)}
SEEDS = (0, 1, 2)
TUNED_ON = ("m-small", "4-node")


@dataclass(frozen=True)
class Cell:
    promise: str
    load: str
    supply: str
    seed: int


@dataclass(frozen=True)
class Found:
    cell: Cell
    scores: list[Score]
    bound: float


def scene_of(cell: Cell) -> Scene:
    folder = TRACES / "spot" / "skypilot"
    zones = [str(folder / f"{zone}_v100_1.json") for zone in SUPPLIES[cell.supply]]
    given = Given(12.0, 300.0, PROMISES[cell.promise], cell.seed)
    return read_scene([TRACES / "load" / "servegen" / cell.load], zones, None, given)


def played(cell: Cell) -> Found:
    scene = scene_of(cell)
    static = static_usd(scene, static_fleet_replicas(scene))
    scores = [score(name, simulate(scene, policy), static) for name, policy in POLICIES.items()]
    return Found(cell, scores, clairvoyant_usd(scene) / static)


def cells() -> list[Cell]:
    return [Cell(p, load, supply, seed) for p in PROMISES for load in LOADS for supply in SUPPLIES for seed in SEEDS]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def rows(found: list[Found], promise: str) -> Iterator[str]:
    columns = [(load, supply) for load in LOADS for supply in SUPPLIES]
    yield (
        "| policy | "
        + " | ".join(f"{load}, {supply}{' (tuning)' if (load, supply) == TUNED_ON else ''}" for load, supply in columns)
        + " |"
    )
    yield "|---" * (len(columns) + 1) + "|"
    for name in POLICIES:
        yield f"| {name} | " + " | ".join(shown(found, promise, column, name) for column in columns) + " |"
    bounds = [mean([one.bound for one in of(found, promise, column)]) for column in columns]
    yield "| clairvoyant bound | " + " | ".join(f"{bound:.2f}" for bound in bounds) + " |"


def of(found: list[Found], promise: str, column: tuple[str, str]) -> list[Found]:
    return [one for one in found if one.cell.promise == promise and (one.cell.load, one.cell.supply) == column]


def scores_of(found: list[Found], promise: str, column: tuple[str, str], name: str) -> list[Score]:
    return [score for one in of(found, promise, column) for score in one.scores if score.policy == name]


def shown(found: list[Found], promise: str, column: tuple[str, str], name: str) -> str:
    """Mean cost over the seeds and the lowest SLO; marked where one seed misses the promise."""
    scores = scores_of(found, promise, column, name)
    lowest = min(one.slo for one in scores)
    text = f"{mean([one.cost for one in scores]):.3f} ({100 * lowest:.2f})"
    return text if lowest >= 0.99 else f"✗ {text}"


def verdicts(found: list[Found]) -> Iterator[str]:
    """Whether the two promises of this page hold, cell by cell, and how far off the aims are."""
    cells_missed, dearer = [], []
    for one in found:
        ours = next(score for score in one.scores if score.policy == OURS)
        where = f"{one.cell.promise}: {one.cell.load}, {one.cell.supply}, seed {one.cell.seed}"
        if ours.slo < 0.99:
            cells_missed.append(f"{where} ({100 * ours.slo:.2f} %)")
        better = [other for other in one.scores if other.slo >= 0.99 and other.cost <= ours.cost and other is not ours]
        dearer += [f"{where}: {other.policy} {other.cost:.3f}, ours {ours.cost:.3f}" for other in better]
    missed = f"{len(cells_missed)} of {len(found)}"
    yield f"- Runs in which `warmfleet` misses 99 %: {missed}. {'; '.join(cells_missed)}".rstrip()
    yield f"- Runs in which a policy that reaches 99 % costs no more: {len(dearer)}. {'; '.join(dearer)}".rstrip()
    for family, title in (("spothedge-self-tuned", "SpotHedge with our self-tuner"), ("half-", "the best 50/50 group")):
        ratios = sorted(ratio for one in found if (ratio := _ratio(one, family)) is not None)
        if ratios:
            middle = ratios[len(ratios) // 2]
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}, median {middle:.2f} ({len(ratios)} runs)"
            yield f"- Cost beside {title}, where that reaches 99 %: {spread}."
    bounds = sorted(next(s.cost for s in one.scores if s.policy == OURS) / one.bound for one in found)
    yield f"- Cost beside the clairvoyant bound: {bounds[0]:.1f} to {bounds[-1]:.1f}."


def _ratio(one: Found, family: str) -> float | None:
    ours = next(score.cost for score in one.scores if score.policy == OURS)
    others = [score.cost for score in one.scores if score.policy.startswith(family) and score.slo >= 0.99]
    return ours / min(others) if others else None


def page(found: list[Found]) -> str:
    parts = ["# Scaling policies on real traces", "", INTRODUCTION]
    for promise in PROMISES:
        parts += [f"## {promise.capitalize()}", "", *rows(found, promise), ""]
    return "\n".join([*parts, "## What holds", "", *verdicts(found), ""])


INTRODUCTION = """Written by `make bench-scaling`; scoring: [scaling.md](../scaling.md). A cell is the mean cost over
three seeds beside the smallest on-demand fleet that keeps the promise, and in brackets the lowest SLO of the three in
percent; ✗ marks a cell in which a seed misses 99 %. All of it is simulated; the planner is the file that is deployed.
"""


def main() -> None:
    if not TRACES.is_dir():
        sys.exit(f"{TRACES} is not there: set WARMFLEET_TRACES to the folder with load/servegen and spot/skypilot")
    found: list[Found] = []
    with ProcessPoolExecutor() as pool:
        for one in pool.map(played, cells()):
            found.append(one)
            ours = next(score for score in one.scores if score.policy == OURS)
            print(f"{one.cell} SLO {100 * ours.slo:.2f} % cost {ours.cost:.3f}", file=sys.stderr, flush=True)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(found))
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-scaling.json").write_text(json.dumps([asdict(one) for one in found]))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
