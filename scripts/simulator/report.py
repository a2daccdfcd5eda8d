"""The outcome of `warmfleet simulate` as a table and as JSON."""

from dataclasses import asdict, fields
from typing import Any

from rich.table import Table

from scripts import terminal
from scripts.simulator.scene import STEP_SECONDS, TOKENS_PER_REPLICA_SECOND, Scene
from scripts.simulator.score import Score, static_usd
from scripts.simulator.world import FLUID

CLAIRVOYANT = "clairvoyant"
SHOWN_GAPS = 20  # of a load on a terminal; --json has all


def remarks(scene: Scene) -> list[str]:
    """How the files were understood and what was missing in them, a line each."""
    lines = [f"note: {note}" for note in _notes(scene)]
    gaps = scene.load.gaps
    lines += [f"gap: {gap}" for gap in gaps[:SHOWN_GAPS]]
    return lines + ([f"gap: and {len(gaps) - SHOWN_GAPS} more, which --json has"] if len(gaps) > SHOWN_GAPS else [])


def _notes(scene: Scene) -> list[str]:
    zones = [supply.capacity for supply in scene.supplies]
    return [note for one in (scene.load, *zones) for note in one.notes]


def document(
    scene: Scene, scores: list[Score], static_replicas: int, bound: float | None, level: str = FLUID
) -> dict[str, Any]:
    """What `--json` prints. `cost` is relative to the static fleet; the bound keeps the promise exactly, by
    construction, and has null where a bound has no figure.
    """
    policies: list[dict[str, Any]] = [asdict(score) for score in scores]
    if bound is not None:
        policies.append(_bound_row(scene, bound, bound * static_usd(scene, static_replicas)))
    return {
        "level": level,
        "load": scene.load.name,
        "spot": [supply.capacity.name for supply in scene.supplies],
        "gaps": list(scene.load.gaps),
        "notes": _notes(scene),
        "mean_replicas": scene.mean_replicas,
        "warm_up_seconds": scene.warm_up_seconds,
        "slo_wait_seconds": scene.promise.wait_seconds,
        "slo": scene.promise.share,
        "seed": scene.seed,
        "scored_days": round((scene.steps - scene.first_scored) * STEP_SECONDS / 86_400, 3),
        "static_fleet_replicas": static_replicas,
        "tokens_per_replica_second": TOKENS_PER_REPLICA_SECOND,
        "policies": policies,
    }


def _bound_row(scene: Scene, cost: float, usd: float) -> dict[str, Any]:
    """The keys of a score, in their order."""
    told = {"policy": CLAIRVOYANT, "slo": scene.promise.share, "cost": cost, "usd": usd}
    return {one.name: told.get(one.name) for one in fields(Score)}


def table(scene: Scene, scores: list[Score], bound: float | None, level: str = FLUID) -> Table:
    rows = [
        [
            one.policy,
            f"{one.cost:.3f}",
            f"{100 * one.slo:.2f}{'' if one.slo >= scene.promise.share else ' !'}",
            _waits(one),
            f"{100 * one.dropped:.2f}",
            str(one.launches),
            f"{one.warm_up_usd:.0f}",
            f"{one.usd_per_million_tokens:.3f}",
        ]
        for one in scores
    ]
    if bound is not None:
        rows.append([CLAIRVOYANT, f"{bound:.3f}", f"{100 * scene.promise.share:.2f}", "", "", "", "", ""])
    waits = "wait p50/95/99 s" if level == FLUID else "first token p50/95/99 s"
    columns = ("policy", "cost", "SLO %", waits, "dropped %", "launches", "warm-up $", "$/M tokens")
    return terminal.table(*columns, rows=rows)


def _waits(one: Score) -> str:
    firsts = (one.first_token_p50_seconds, one.first_token_p95_seconds, one.first_token_p99_seconds)
    told = [f"{seconds:.1f}" for seconds in firsts if seconds is not None]
    return " / ".join(told or [f"{s:.0f}" for s in (one.wait_p50_seconds, one.wait_p95_seconds, one.wait_p99_seconds)])


def headline(scene: Scene, static_replicas: int) -> str:
    days = (scene.steps - scene.first_scored) * STEP_SECONDS / 86_400
    promise = f"{100 * scene.promise.share:g} % within {scene.promise.wait_seconds:g} s"
    return (
        f"{days:.1f} days scored; cost beside {static_replicas} on-demand replicas, always on, which keep {promise}; "
        f"! misses it; $/M tokens at {TOKENS_PER_REPLICA_SECOND:.0f} tokens/s a replica"
    )
