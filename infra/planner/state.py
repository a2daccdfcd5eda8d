"""What the planner remembers from one minute to the next, and how it is written down: JSON, with a version."""

from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from infra.planner.brakes import Breaker
from infra.planner.forecast import Forecast
from infra.planner.histogram import FadingHistogram
from infra.planner.hold import Hold
from infra.planner.losses import Losses
from infra.planner.steering import Steering
from infra.planner.warm_up import WarmUpTimes

STATE_VERSION = 1


@dataclass
class State:
    """`minute` is that of the last plan (Unix time by 60), `figures_minute` that of the newest figures of requests that
    were learned; `short_minutes` how long each pool got less than it asked for.
    """

    minute: int = 0
    forecast: Forecast = field(default_factory=Forecast)
    losses: Losses = field(default_factory=Losses)
    steering: Steering = field(default_factory=Steering)
    warm_ups: WarmUpTimes = field(default_factory=WarmUpTimes)
    hold: Hold = field(default_factory=Hold)
    breaker: Breaker = field(default_factory=Breaker)
    short_minutes: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)  # desired capacities of the last plan
    figures_minute: int = -1

    def copy(self) -> "State":
        """Plans never change the state that they were given."""
        return State(
            self.minute, self.forecast.copy(), self.losses.copy(), self.steering.copy(), self.warm_ups,
            self.hold.copy(), self.breaker.copy(), dict(self.short_minutes), dict(self.last),
            self.figures_minute,
        )  # fmt: skip


def as_json(state: State) -> dict[str, Any]:
    forecast, losses = state.forecast, state.losses
    return {
        "version": STATE_VERSION,
        "minute": state.minute,
        "figures_minute": state.figures_minute,
        "forecast": {
            **{
                name: _short(getattr(forecast, name))
                for name in ("levels", "day", "week", "slot", "losses", "promised")
            },
            "said": [[due, _short(said)] for due, said in forecast.said],
            "errors": [[_short(one.weights), one.gain] for one in forecast.errors],
            "usual": forecast.usual,
            "best": forecast.best,
            "factors": _short(forecast.factors),
        },
        "losses": {
            "events": [[minute, lost] for minute, lost in losses.events],
            "hours": _short(losses.hours),
            "counts": _short(losses.counts),
            "disturbed": losses.disturbed,
        },
        "steering": vars(state.steering),
        "warm_ups": [[round(seconds, 1), became_ready] for seconds, became_ready, _ in state.warm_ups.samples],
        "warmed_up": [combination for _, _, combination in state.warm_ups.samples],  # apart: older planners read pairs
        "hold": state.hold.wanted,
        "breaker": state.breaker.failures,
        "short_minutes": state.short_minutes,
        "last": state.last,
    }


def from_json(document: dict[str, Any]) -> State:
    """Raises ValueError for a state of a later version: the plan that wrote it knew more than this one."""
    if document["version"] > STATE_VERSION:
        raise ValueError(f"the state has version {document['version']}, this planner reads up to {STATE_VERSION}")
    forecast, losses = document["forecast"], document["losses"]
    fresh = Forecast()
    return State(
        minute=document["minute"],
        forecast=Forecast(
            **{
                name: forecast[name]
                for name in ("levels", "day", "week", "slot", "losses", "promised", "usual", "best")
            },
            said=[(due, said) for due, said in forecast["said"]],
            errors=[
                FadingHistogram(new.fade_samples, weights, gain)
                for new, (weights, gain) in zip(fresh.errors, forecast["errors"], strict=True)
            ],
            factors=forecast["factors"],
        ),
        losses=Losses(
            [(minute, lost) for minute, lost in losses["events"]],
            losses["hours"],
            losses["counts"],
            losses["disturbed"],
        ),
        steering=Steering(**document["steering"]),
        warm_ups=WarmUpTimes(
            (seconds, became_ready, what)
            for (seconds, became_ready), what in zip(
                document["warm_ups"], document.get("warmed_up") or repeat(""), strict=False
            )
        ),
        hold=Hold({name: [(minute, count) for minute, count in values] for name, values in document["hold"].items()}),
        breaker=Breaker(document["breaker"]),
        short_minutes=document["short_minutes"],
        last=document["last"],
        figures_minute=document.get("figures_minute", document["minute"] - 1),  # a state of before it was told
    )


def _short(values: list[float]) -> list[float]:
    """Seven significant digits: the error of a forecast is in the second."""
    return [float(f"{value:.7g}") for value in values]
