"""`warmfleet simulate`: replay load and spot traces against scaling policies, before one of them is deployed."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag

if TYPE_CHECKING:
    from scripts.progress import Steps
    from scripts.simulator.scene import Scene
    from scripts.simulator.score import Score
    from scripts.simulator.world import Run

MANY = ("--load", "--spot", "--policy")  # options that take several values in a row


class Level(StrEnum):
    """The names of `scripts.simulator.world.LEVELS`."""

    FLUID = "fluid"
    REQUEST = "request"


def simulate(
    load: Annotated[list[Path], typer.Option(metavar="PATH…", help="Requests over time; several add up.")],
    spot: Annotated[list[str], typer.Option(metavar="PATH…", help="One zone each; or model:HOURS_UP,HOURS_DOWN,MOST.")],
    policy: Annotated[list[str] | None, typer.Option(metavar="NAME|all", help="Default: all, and the bound.")] = None,
    mean_replicas: Annotated[float, typer.Option(help="What the mean load keeps busy.")] = 12.0,
    warm_up_seconds: Annotated[float, typer.Option(help="Median, from launch to ready.")] = 300.0,
    slo_wait_seconds: Annotated[
        float, typer.Option(help="The wait that is promised; at the request level, the time to the first token.")
    ] = 20.0,
    slo: Annotated[float, typer.Option(help="The share of requests that it is promised to.")] = 0.99,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV: on_demand,spot; a row for each zone.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same run.")] = 0,
    level: Annotated[
        Level, typer.Option(help="Work as a fluid in steps of 10 s; or every request, and its time to first token.")
    ] = Level.FLUID,
    as_json: JsonFlag = False,
    plot: Annotated[Path | None, typer.Option(metavar="DIR", help="Write PNG files and one HTML page there.")] = None,
) -> None:
    """Replay traces in a simulated fleet: what each policy costs and how many requests wait too long.

    The policy `warmfleet` is the planner that a stack deploys, the same file. Formats and figures: docs/scaling.md.

    Example: warmfleet simulate --load requests.csv --spot us-west-2a.json us-west-2c.json --plot plots
    """
    from scripts import terminal
    from scripts.progress import Steps
    from scripts.simulator import report
    from scripts.simulator.score import static_fleet_replicas

    scene = _scene(load, spot, prices, mean_replicas, warm_up_seconds, slo_wait_seconds, slo, seed)
    names = _names(policy)
    if plot:
        _make_folder(plot)
    steps = Steps(sys.stderr)
    for line in report.remarks(scene):
        terminal.err().print(line, soft_wrap=True)
    replicas = static_fleet_replicas(scene)
    runs, scores, bound = _played(scene, names, replicas, level, steps)
    if plot:
        from scripts.simulator.plots import write_plots

        with steps.step("plots") as step:
            step.result = str(write_plots(plot, scene, runs, scores, bound)[-1])
    if as_json:
        terminal.print_json(report.document(scene, scores, replicas, bound, level))
        return
    terminal.out().print(report.table(scene, scores, bound, level))
    terminal.say(report.headline(scene, replicas))


def expand(arguments: list[str]) -> list[str]:
    """`--spot a b` as `--spot a --spot b`: a shell's `*` after one option is many values."""
    expanded: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("--"):
            option, fresh = argument, True
        elif option in MANY and not fresh:
            expanded.append(option)
        else:
            fresh = False
        expanded.append(argument)
    return expanded


def _scene(
    load: list[Path],
    spot: list[str],
    prices: Path | None,
    mean_replicas: float,
    warm_up_seconds: float,
    slo_wait_seconds: float,
    slo: float,
    seed: int,
) -> "Scene":
    from infra.planner.model import Promise
    from scripts.exit_codes import USAGE, CommandError
    from scripts.simulator.scene_files import Given, read_scene
    from scripts.simulator.traces import TraceError

    wrong = _impossible(mean_replicas, warm_up_seconds, slo_wait_seconds, slo)
    if wrong:
        raise CommandError("\n".join(wrong), USAGE)
    try:
        return read_scene(
            load, spot, prices, Given(mean_replicas, warm_up_seconds, Promise(slo_wait_seconds, slo), seed)
        )
    except TraceError as error:
        raise CommandError(str(error), USAGE) from error


def _impossible(mean_replicas: float, warm_up_seconds: float, slo_wait_seconds: float, slo: float) -> list[str]:
    wrong = []
    if not 0 < mean_replicas <= 100_000:
        wrong.append(f"--mean-replicas is {mean_replicas:g}; give a number above 0, up to 100000")
    if not 0 < warm_up_seconds <= 7200:
        wrong.append(f"--warm-up-seconds is {warm_up_seconds:g}; no replica is warm at once: give 1 to 7200")
    if not 0 <= slo_wait_seconds < float("inf"):
        wrong.append(f"--slo-wait-seconds is {slo_wait_seconds:g}; give 0 or more")
    if not 0 < slo < 1:
        wrong.append(f"--slo is {slo:g}; no fleet on spot keeps a promise to all: give a share below 1, as 0.99")
    return wrong


def _names(policy: list[str] | None) -> list[str]:
    from scripts.exit_codes import USAGE, CommandError
    from scripts.simulator.policies import POLICIES
    from scripts.simulator.report import CLAIRVOYANT

    known = [*POLICIES, CLAIRVOYANT]
    unknown = [name for name in policy or [] if name not in (*known, "all")]
    if unknown:
        raise CommandError(f"--policy {', '.join(unknown)} is unknown; known are all, {', '.join(known)}", USAGE)
    return known if not policy or "all" in policy else policy


def _make_folder(plot: Path) -> None:
    """Before a run that takes minutes, not after it."""
    from scripts.exit_codes import USAGE, CommandError

    try:
        plot.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"--plot {plot} is no folder and cannot be made one ({error.strerror}); name another"
        raise CommandError(problem, USAGE) from error
    if not os.access(plot, os.W_OK | os.X_OK):
        raise CommandError(f"--plot {plot} cannot be written to; name another folder", USAGE)


def _played(
    scene: "Scene", names: list[str], replicas: int, level: Level, steps: "Steps"
) -> tuple[dict[str, "Run"], list["Score"], float | None]:
    from functools import partial

    from scripts.simulator.bound import clairvoyant_usd
    from scripts.simulator.policies import POLICIES
    from scripts.simulator.report import CLAIRVOYANT
    from scripts.simulator.score import score, static_usd
    from scripts.simulator.world import simulate as replay

    runs, scores, bound = {}, [], None
    static = static_usd(scene, replicas)
    for name in names:
        with steps.step(name) as step:
            if name == CLAIRVOYANT:
                bound = clairvoyant_usd(scene) / static
                step.result = f"cost {bound:.3f}"
                continue
            runs[name] = replay(scene, POLICIES[name], partial(_say_share, step.say), level)
            scores.append(score(name, runs[name], static))
            step.result = f"cost {scores[-1].cost:.3f}, SLO {100 * scores[-1].slo:.2f} %"
    return runs, scores, bound


def _say_share(say: Callable[[str], None], share: float) -> None:
    say(f"{100 * share:.0f} %")
