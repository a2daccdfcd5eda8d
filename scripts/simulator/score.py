"""What a run cost and how long its requests waited; the fleet without spot that it is compared with."""

from dataclasses import dataclass

import numpy as np

from scripts.simulator.scene import STEP_SECONDS, TOKENS_PER_REPLICA_SECOND, Scene
from scripts.simulator.traces import Floats
from scripts.simulator.world import Run


@dataclass(frozen=True)
class Score:
    """`slo` is the share of requests that waited no longer than promised, at the request level until the first token;
    `cost` is relative to the static fleet's. The fluid mode knows no first tokens.
    """

    policy: str
    slo: float
    cost: float
    usd: float
    usd_per_million_tokens: float
    wait_p50_seconds: float
    wait_p95_seconds: float
    wait_p99_seconds: float
    first_token_p50_seconds: float | None
    first_token_p95_seconds: float | None
    first_token_p99_seconds: float | None
    dropped: float
    launches: int
    warm_up_usd: float
    mean_ready: tuple[float, ...]


def static_fleet_replicas(scene: Scene) -> int:
    """The fewest on-demand replicas, always on, that keep the promise on the scored part. Queue by Lindley's
    recursion.
    """
    offered = scene.offered()[scene.first_scored :]
    low, high = 1, int(offered.max() / STEP_SECONDS) + 1
    while low < high:
        middle = (low + high) // 2
        if _kept(offered, middle, scene.promise.wait_seconds) >= scene.promise.share:
            high = middle
        else:
            low = middle + 1
    return low


def _kept(offered: Floats, replicas: int, wait_seconds: float) -> float:
    surplus = np.cumsum(offered - replicas * STEP_SECONDS)
    queued = surplus - np.minimum(np.minimum.accumulate(surplus), 0.0)
    # As in the fluid mode: waits are whole steps, those of the step itself count as none.
    waited = np.ceil(np.maximum(queued / replicas - STEP_SECONDS / 2, 0) / STEP_SECONDS) * STEP_SECONDS
    return float(offered[waited <= wait_seconds].sum() / max(offered.sum(), 1e-12))


def static_usd(scene: Scene, replicas: int) -> float:
    """What that fleet costs over the scored part."""
    hours = (scene.steps - scene.first_scored) * STEP_SECONDS / 3600
    return replicas * scene.on_demand_usd_per_hour * hours


def score(policy: str, run: Run, static_usd: float) -> Score:
    waits, first_tokens = sorted(run.waits.items()), sorted(run.first_tokens.items())
    served = max(run.served, 1e-12)
    ready = np.array([minute.ready for minute in run.minutes], dtype=np.float64)
    return Score(
        policy=policy,
        slo=1.0 - run.late / max(run.offered, 1e-12),
        cost=run.usd / static_usd,
        usd=run.usd,
        usd_per_million_tokens=run.usd / (served * TOKENS_PER_REPLICA_SECOND) * 1e6,
        wait_p50_seconds=_quantile(waits, served, 0.50),
        wait_p95_seconds=_quantile(waits, served, 0.95),
        wait_p99_seconds=_quantile(waits, served, 0.99),
        first_token_p50_seconds=_quantile(first_tokens, served, 0.50) if first_tokens else None,
        first_token_p95_seconds=_quantile(first_tokens, served, 0.95) if first_tokens else None,
        first_token_p99_seconds=_quantile(first_tokens, served, 0.99) if first_tokens else None,
        dropped=run.dropped / max(run.offered, 1e-12),
        launches=run.launches,
        warm_up_usd=run.warm_up_usd,
        mean_ready=tuple(float(value) for value in ready.mean(axis=0)) if len(ready) else (),
    )


def _quantile(waits: list[tuple[float, float]], served: float, share: float) -> float:
    seen = 0.0
    for seconds, work in waits:
        seen += work
        if seen >= share * served:
            return float(seconds)
    return float(waits[-1][0]) if waits else 0.0
