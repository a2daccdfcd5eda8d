"""From paths on a command line to a scene: several loads add up, every spot trace is a zone, prices come from a CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infra.planner.model import Promise
from scripts.simulator.loads import read_load
from scripts.simulator.scene import STEP_SECONDS, Scene
from scripts.simulator.supplies import read_supply
from scripts.simulator.traces import Series, TraceError

SPOT_SHARE = 0.41  # of the on-demand price, unless prices are given: median of g5 and g6 zones in a public catalogue
SHORTEST_SECONDS = 600.0  # a warm-up, and more than one step of the bound
FULL_ZONE_SHARE = 4 / 3  # replicas that a zone of full capacity gives, by the mean load: 16 at 12


@dataclass(frozen=True)
class Prices:
    """Dollars an hour of one replica: one spot price per zone, or one for all."""

    on_demand: float = 1.0
    spot: tuple[float, ...] = (SPOT_SHARE,)


@dataclass(frozen=True)
class Given:
    """The numbers of the command line."""

    mean_replicas: float
    warm_up_seconds: float
    promise: Promise
    seed: int


def read_scene(loads: Sequence[Path], spot: Sequence[str], prices: Path | None, given: Given) -> Scene:
    """Raises TraceError, naming file, line and remedy."""
    load = _sum([read_load(path) for path in loads])
    zone = max(1, round(given.mean_replicas * FULL_ZONE_SHARE))
    supplies = tuple(read_supply(source, zone, load.seconds, given.seed) for source in spot)
    names = [supply.capacity.name for supply in supplies]
    if len(set(names)) < len(names):
        raise TraceError(Path(names[0]), "two spot traces have one name", "rename one: a zone is known by it")
    paid = read_prices(prices, len(supplies)) if prices else Prices()
    spot_prices = paid.spot if len(paid.spot) == len(supplies) else paid.spot[:1] * len(supplies)
    scene = Scene(
        load,
        supplies,
        given.mean_replicas,
        given.warm_up_seconds,
        given.promise,
        spot_prices,
        paid.on_demand,
        seed=given.seed,
    )
    if scene.steps * STEP_SECONDS < SHORTEST_SECONDS:
        shortest = min([load, *(supply.capacity for supply in supplies)], key=lambda one: one.seconds)
        raise TraceError(
            Path(shortest.name), f"it lasts {shortest.seconds:g} s", f"give at least {SHORTEST_SECONDS:g} s of each"
        )
    return scene


def _sum(loads: Sequence[Series]) -> Series:
    if len(loads) == 1:
        return loads[0]
    step = min(load.step_seconds for load in loads)
    count = int(min(load.seconds for load in loads) // step)
    total = np.sum([load.at_steps(step, count) for load in loads], axis=0)
    gaps = tuple(f"{load.name}: {gap}" for load in loads for gap in load.gaps)
    return Series("+".join(load.name for load in loads), step, total, gaps)


def read_prices(path: Path, zones: int) -> Prices:
    """A CSV with the columns on_demand and spot, in dollars an hour: one row, or one for each --spot in its order."""
    if not path.is_file():
        raise TraceError(path, "there is no such file", "check --prices")
    rows = list(csv.DictReader(path.read_text(errors="replace").splitlines()))
    if len(rows) not in (1, zones):
        raise TraceError(path, f"{len(rows)} rows of prices for {zones} spot traces", "give one row, or one for each")
    found = []
    for number, row in enumerate(rows, 2):
        try:
            pair = float(row["on_demand"]), float(row["spot"])
        except (KeyError, TypeError, ValueError) as error:
            problem = "no columns on_demand and spot with numbers"
            raise TraceError(path, problem, "write on_demand,spot in dollars an hour", number) from error
        if not all(0 < price < float("inf") for price in pair):
            raise TraceError(
                path, f"the prices {pair[0]:g} and {pair[1]:g} are not both above 0", "correct them", number
            )
        found.append(pair)
    return Prices(found[0][0], tuple(spot for _, spot in found))
