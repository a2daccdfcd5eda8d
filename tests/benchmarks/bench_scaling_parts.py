"""What each part of the planner is worth, and how far its lead depends on warm-up, size and price.

`make bench-scaling` writes docs/benchmarks/scaling-parts.md with it. Traces as in bench_scaling.py, two combinations on
which nothing was tuned; the first eight days of each, of which six are scored.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace

from infra.planner.model import Promise
from scripts.simulator.policies import POLICIES
from scripts.simulator.scene import Scene
from scripts.simulator.scene_files import Given, read_scene
from scripts.simulator.score import Score, score, static_fleet_replicas, static_usd
from scripts.simulator.world import FLUID, REQUEST, simulate
from tests.benchmarks.ablations import ABLATIONS
from tests.benchmarks.bench_scaling import ROOT, SUPPLIES, TRACES

PAGE = ROOT / "docs" / "benchmarks" / "scaling-parts.md"
FOUND = ROOT / "build" / "bench-scaling-parts.json"
DAYS = 8
COMBINATIONS = (("m-large", "us-west-2"), ("m-small", "16-node"))
COMPARED = ("warmfleet", "on-demand-target-tracking-tuned", "half-target-tracking-tuned", "spothedge-self-tuned-load")
WARM_UP_MINUTES = (1, 2, 5, 10, 15)
MEAN_REPLICAS = (2, 12, 50, 200, 2000)
PRICE_RATIOS = (0.3, 0.41, 0.7, 1.0)
USUAL = (5, 12, 0.41)
INTERACTIVE_SECONDS = 2.0


@dataclass(frozen=True)
class Case:
    """One run. `part` names an ablation, or is empty where `policy` is replayed as it is."""

    load: str
    supply: str
    warm_up_minutes: float
    mean_replicas: float
    price_ratio: float
    policy: str
    part: str = ""
    wait_seconds: float = 20.0
    level: str = FLUID


def scene_of(case: Case) -> Scene:
    folder = TRACES / "spot" / "skypilot"
    zones = [str(folder / f"{zone}_v100_1.json") for zone in SUPPLIES[case.supply]]
    given = Given(case.mean_replicas, 60.0 * case.warm_up_minutes, Promise(case.wait_seconds, 0.99), 0)
    scene = read_scene([TRACES / "load" / "servegen" / case.load], zones, None, given)
    steps = int(DAYS * 86_400 / scene.load.step_seconds)
    load = replace(scene.load, values=scene.load.values[:steps])
    return replace(scene, load=load, spot_usd_per_hour=(case.price_ratio,) * len(zones))


def played(case: Case) -> Score:
    scene = scene_of(case)
    static = static_usd(scene, static_fleet_replicas(scene))
    if not case.part:
        return score(case.policy, simulate(scene, POLICIES[case.policy], level=case.level), static)
    without, policy = ABLATIONS[case.part]
    with without():
        return score(case.part, simulate(scene, policy), static)


def ablations() -> list[Case]:
    return [Case(*combination, *USUAL, "warmfleet", part) for combination in COMBINATIONS for part in ABLATIONS]


def settings() -> list[tuple[float, float, float]]:
    minutes, replicas, ratio = USUAL
    found = [(minutes, replicas, ratio)]
    found += [(one, replicas, ratio) for one in WARM_UP_MINUTES if one != minutes]
    return found + [(minutes, replicas, one) for one in PRICE_RATIOS if one != ratio]


def sensitivity() -> list[Case]:
    """Warm-up and price on both combinations, size on the first."""
    minutes, replicas, ratio = USUAL
    sizes = [(minutes, one, ratio) for one in MEAN_REPLICAS if one != replicas]
    cases = [(one, setting) for one in COMBINATIONS for setting in settings()]
    cases += [(COMBINATIONS[0], setting) for setting in sizes]
    return [Case(*one, *setting, policy) for one, setting in cases for policy in COMPARED]


def levels() -> list[Case]:
    """The interactive promise at both levels."""
    return [
        Case(*COMBINATIONS[0], *USUAL, policy, wait_seconds=INTERACTIVE_SECONDS, level=level)
        for policy in COMPARED
        for level in (FLUID, REQUEST)
    ]


def shown(one: Score) -> str:
    return f"{'' if one.slo >= 0.99 else '✗ '}{one.cost:.3f} ({100 * one.slo:.2f})"


def ablation_rows(found: dict[Case, Score]) -> Iterator[str]:
    yield "| planner | " + " | ".join(", ".join(one) for one in COMBINATIONS) + " |"
    yield "|---" * (len(COMBINATIONS) + 1) + "|"
    for part in ABLATIONS:
        cells = [shown(found[Case(*one, *USUAL, "warmfleet", part)]) for one in COMBINATIONS]
        yield f"| {part} | " + " | ".join(cells) + " |"


def sensitivity_rows(
    found: dict[Case, Score],
    what: str,
    axis: int,
    values: tuple[float, ...],
    combinations: tuple[tuple[str, str], ...] = COMBINATIONS,
) -> Iterator[str]:
    yield f"| | {what} | " + " | ".join(COMPARED) + " |"
    yield "|---" * (len(COMPARED) + 2) + "|"
    for combination in combinations:
        for value in values:
            setting = [*USUAL]
            setting[axis] = value
            cells = [shown(found[Case(*combination, *setting, policy)]) for policy in COMPARED]
            yield f"| {', '.join(combination)} | {value:g} | " + " | ".join(cells) + " |"


def level_rows(found: dict[Case, Score]) -> Iterator[str]:
    yield "| policy | fluid | request by request | first token p50, p95, p99 in seconds |"
    yield "|---|---|---|---|"
    cases = levels()
    for fluid, request in zip(cases[::2], cases[1::2], strict=True):
        one = found[request]
        firsts = (one.first_token_p50_seconds, one.first_token_p95_seconds, one.first_token_p99_seconds)
        told = ", ".join(f"{seconds:.1f}" for seconds in firsts if seconds is not None)
        yield f"| {request.policy} | {shown(found[fluid])} | {shown(one)} | {told} |"


def page(found: dict[Case, Score]) -> str:
    parts = [
        "# What the planner's parts are worth, and where its lead ends\n",
        INTRODUCTION,
        "## One part taken out\n",
        "Numbers as in [how it decides](../scaling.md#how-it-decides).\n",
        *ablation_rows(found),
        "\n## Warm-up\n",
        *sensitivity_rows(found, "median, minutes", 0, WARM_UP_MINUTES),
        "\n## Size\n",
        *sensitivity_rows(found, "replicas that the mean load keeps busy", 1, MEAN_REPLICAS, COMBINATIONS[:1]),
        "\n## Price\n",
        *sensitivity_rows(found, "spot beside on-demand", 2, PRICE_RATIOS),
        f"\n## The first token within {INTERACTIVE_SECONDS:g} s, at both levels ({', '.join(COMBINATIONS[0])})\n",
        *level_rows(found),
    ]
    return "\n".join([*parts, ""])


INTRODUCTION = """Written by `make bench-scaling`; scoring: [scaling.md](../scaling.md). A cell is the cost beside the
smallest on-demand fleet that keeps the promise (99 % within 20 s), and in brackets the SLO in percent; ✗ marks what
misses 99 %. One seed, the first eight days of each trace, of which six are scored, so figures differ from those of
[all runs](scaling.md). In these days both zones of us-west-2 gave nothing for 82 % of the time: little there is spot.
Epsilon is steered by what was late, so what a missing part no longer saves is often paid for
and not missed. All of it is simulated.
"""


def main() -> None:
    if not TRACES.is_dir():
        sys.exit(f"{TRACES} is not there: set WARMFLEET_TRACES to the folder with load/servegen and spot/skypilot")
    found: dict[Case, Score] = {}
    cases = [*ablations(), *sensitivity(), *levels()]
    with ProcessPoolExecutor() as pool:
        for case, one in zip(cases, pool.map(played, cases), strict=True):
            found[case] = one
            print(f"{case} {shown(one)}", file=sys.stderr, flush=True)
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(json.dumps([{**asdict(case), **asdict(one)} for case, one in found.items()]))
    PAGE.write_text(page(found))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
