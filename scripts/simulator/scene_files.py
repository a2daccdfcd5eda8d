"""From paths on a command line to a scene: several loads add up, every spot trace is a zone, prices come from a CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.planner.model import Promise
from scripts.simulator.load_series import MOST_STEPS
from scripts.simulator.load_sums import common_sum
from scripts.simulator.loads import read_load
from scripts.simulator.moments import number
from scripts.simulator.scene import STEP_SECONDS, Scene
from scripts.simulator.supplies import read_supply
from scripts.simulator.text_files import Row, read_rows, read_text
from scripts.simulator.traces import Series, TraceError

SPOT_SHARE = 0.41  # of the on-demand price, unless prices are given: median of g5 and g6 zones in a public catalogue
SHORTEST_SECONDS = 600.0  # a warm-up, and more than one step of the bound
FULL_ZONE_SHARE = 4 / 3  # replicas that a zone of full capacity gives, by the mean load: 16 at 12

MOST_BEFORE = 1000.0  # by which the part before the scored one may ask more: beyond, it alone would size the fleet
PRICES_REMEDY = "write on_demand,spot in dollars an hour"


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
    load = _read_loads(loads)
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
    _refuse_too_short(scene)
    _refuse_silent(scene)
    return scene


def _read_loads(paths: Sequence[Path]) -> Series:
    loads = [read_load(path) for path in paths]
    load = loads[0] if len(loads) == 1 else common_sum(loads)
    if load.seconds > MOST_STEPS * STEP_SECONDS:
        raise TraceError(
            Path(load.name), f"it lasts {load.seconds:g} s", f"give at most {MOST_STEPS * STEP_SECONDS:g} s"
        )
    return load


def _refuse_too_short(scene: Scene) -> None:
    if scene.steps * STEP_SECONDS < SHORTEST_SECONDS:
        shortest = min([scene.load, *(supply.capacity for supply in scene.supplies)], key=lambda one: one.seconds)
        raise TraceError(
            Path(shortest.name), f"it lasts {shortest.seconds:g} s", f"give at least {SHORTEST_SECONDS:g} s of each"
        )


def _refuse_silent(scene: Scene) -> None:
    """The mean of the scored part is what `--mean-replicas` sizes: where it is nothing, no size can be given to it."""
    rate = scene.rate()
    before, scored = rate[: scene.first_scored], rate[scene.first_scored :]
    begin, end = (step * STEP_SECONDS / 86_400 for step in (scene.first_scored, scene.steps))
    where = f"in the part that is replayed and scored, day {begin:g} to {end:.3g} of it"
    remedy = "give another load, or longer spot traces if the load goes on"
    if not scored.any():
        raise TraceError(Path(scene.load.name), f"nothing is asked {where}", remedy)
    if len(before) and before.mean() > MOST_BEFORE * scored.mean():
        times = before.mean() / scored.mean()
        raise TraceError(Path(scene.load.name), f"{times:.3g} times less is asked {where}, than before", remedy)
    if not scene.offered()[scene.first_scored :].any():
        raise TraceError(Path(scene.load.name), f"not one request falls {where}", "raise --mean-replicas")


def read_prices(path: Path, zones: int) -> Prices:
    """A CSV with the columns on_demand and spot, in dollars an hour: one row, or one for each --spot in its order.

    There is one on-demand group, so on_demand is the same in all rows. Raises TraceError naming file, line and remedy.
    """
    if not path.is_file():
        raise TraceError(path, "there is no such file", "check --prices")
    rows = list(read_rows(path, read_text(path)))
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    if not {"on_demand", "spot"} <= set(header):
        line = rows[0][0] if rows else None
        raise TraceError(path, "it has no columns on_demand and spot", PRICES_REMEDY, line)
    if len(rows) - 1 not in (1, zones):
        problem = f"{len(rows) - 1} rows of prices for {zones} spot traces"
        raise TraceError(path, problem, "give one row, or one for each")
    found = [_pair(path, header, row) for row in rows[1:]]
    for (line, _), (on_demand, _) in zip(rows[1:], found, strict=True):
        if on_demand != found[0][0]:
            problem = f"on_demand is {on_demand:g}, and {found[0][0]:g} in line {rows[1][0]}"
            raise TraceError(path, problem, "give one value: all zones share one on-demand group", line)
    return Prices(found[0][0], tuple(spot for _, spot in found))


def _pair(path: Path, header: Sequence[str], row: Row) -> tuple[float, float]:
    cells = dict(zip(header, row[1], strict=False))
    on_demand, spot = number(cells.get("on_demand", "")), number(cells.get("spot", ""))
    if on_demand is None or spot is None:
        raise TraceError(path, "no numbers under on_demand and spot", PRICES_REMEDY, row[0])
    if min(on_demand, spot) <= 0:
        raise TraceError(path, f"the prices {on_demand:g} and {spot:g} are not both above 0", "correct them", row[0])
    return on_demand, spot
