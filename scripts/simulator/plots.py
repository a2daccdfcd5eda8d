"""Plots of a simulation: capacity by pool against demand for each policy, and cost against SLO with all of them."""

import base64
import html
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from scripts.simulator.scene import Scene
from scripts.simulator.score import Score
from scripts.simulator.world import Run

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # after the choice of a backend that needs no display

MINUTES_A_POINT = 10


def write_plots(
    folder: Path, scene: Scene, runs: dict[str, Run], scores: list[Score], bound: float | None
) -> list[Path]:
    """PNG files and one page that holds them all; the paths, the page last."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [_cost_against_slo(folder / "cost-slo.png", scene, scores, bound)]
    made += [_capacity(folder / f"capacity-{name}.png", name, run) for name, run in runs.items()]
    page = folder / "index.html"
    page.write_text(_page(scene, made))
    return [*made, page]


def _cost_against_slo(path: Path, scene: Scene, scores: list[Score], bound: float | None) -> Path:
    figure, axes = plt.subplots(figsize=(9, 6))
    for one in scores:
        axes.scatter(100 * one.slo, one.cost, zorder=3)
        axes.annotate(one.policy, (100 * one.slo, one.cost), xytext=(4, 4), textcoords="offset points", fontsize=8)
    if bound is not None:
        axes.axhline(bound, linestyle=":", color="grey", label="clairvoyant bound")
    axes.axvline(100 * scene.promise.share, linestyle="--", color="grey", label="promise")
    axes.set(xlabel=f"requests within {scene.promise.wait_seconds:g} s, %", ylabel="cost, static on-demand fleet = 1")
    axes.legend()
    return _saved(figure, path)


def _capacity(path: Path, name: str, run: Run) -> Path:
    ready = np.array([minute.ready for minute in run.minutes], dtype=np.float64)
    demand = np.array([minute.demand for minute in run.minutes])
    whole = len(demand) // MINUTES_A_POINT * MINUTES_A_POINT
    ready = ready[:whole].reshape(-1, MINUTES_A_POINT, ready.shape[1]).mean(axis=1)
    demand = demand[:whole].reshape(-1, MINUTES_A_POINT).mean(axis=1)
    days = np.arange(len(demand)) * MINUTES_A_POINT / 1440
    figure, axes = plt.subplots(figsize=(12, 4))
    axes.stackplot(days, ready.T, labels=[group.name for group in run.groups], alpha=0.6, step="post")
    axes.plot(days, demand, color="black", linewidth=0.7, label="demand")
    axes.set(xlabel="days", ylabel="ready replicas", title=name)
    axes.legend(fontsize=8, loc="upper left")
    return _saved(figure, path)


def _saved(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _page(scene: Scene, images: list[Path]) -> str:
    title = html.escape(f"{scene.load.name} on {', '.join(s.capacity.name for s in scene.supplies)}")
    shown = "\n".join(
        f'<h2>{html.escape(path.stem)}</h2><img alt="{html.escape(path.stem)}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        for path in images
    )
    style = "body{font-family:sans-serif;margin:2em}img{max-width:100%}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{style}</style>'
    return f'<!doctype html><html lang="en">{head}<h1>{title}</h1>{shown}</html>\n'
