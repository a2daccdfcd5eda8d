"""Ten clients come and go, spot takes a node in between: the planner sizes the fleet, and the clients' ledger is whole.

The real CLI, engine, planner package, processes and model; only the cloud's clock runs faster, so that minutes between
plans are seconds. What happened is drawn into build/scaling-journey.png.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import matplotlib
import pytest
import yaml
from scratch_checkout import ROOT, Checkout, eventually, scratch_checkout

from localcloud import control
from localcloud.aws import event_log
from localcloud.places import Places
from localcloud.processes import marked
from tests.local_fleet import LocalFleet

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # after the choice of a backend that needs no display

soon = partial(eventually, seconds=300)
SCALE = 10.0  # cloud seconds a second: a plan every six seconds
MOST_NODES = 3
BEFORE, ASKING, AFTER = 5, 75, 5
CLIENTS = f"0:{BEFORE},10:{ASKING},0:{AFTER}"
PLOT = ROOT / "build" / "scaling-journey.png"
LOOK_SECONDS = 0.5

pytestmark = [pytest.mark.journey, pytest.mark.failures, pytest.mark.timeout(1000)]


@dataclass(frozen=True)
class Look:
    """The fleet at one moment, in seconds of the journey."""

    at: float
    desired: int
    ready: int
    warming: int


class Watch:
    """Looks at the spot group again and again, beside everything."""

    def __init__(self, fleet: LocalFleet) -> None:
        self.looks: list[Look] = []
        self.marks: list[tuple[float, str]] = []
        self._began, self._end = time.monotonic(), threading.Event()
        self._client, self._model = fleet.client("autoscaling"), fleet.model
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def mark(self, what: str) -> None:
        self.marks.append((self.now, what))

    def group(self) -> dict[str, Any]:
        found = self._client.describe_auto_scaling_groups()["AutoScalingGroups"]
        (spot,) = [each for each in found if each["AutoScalingGroupName"].startswith(f"{self._model}-spot")]
        return dict(spot)

    def ready(self) -> list[str]:
        return [each["InstanceId"] for each in self.group()["Instances"] if each["LifecycleState"] == "InService"]

    def _follow(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            group = self.group()
            states = [each["LifecycleState"] for each in group["Instances"]]
            warming = sum(state.startswith("Pending") for state in states)
            self.looks.append(Look(self.now, group["DesiredCapacity"], states.count("InService"), warming))

    def draw(self, path: Path) -> None:
        at = [look.at for look in self.looks]
        figure, axes = plt.subplots(figsize=(10, 4))
        ready, warming = [[getattr(look, name) for look in self.looks] for name in ("ready", "warming")]
        axes.stackplot(at, ready, warming, labels=["ready", "warming"], alpha=0.6)
        axes.step(at, [look.desired for look in self.looks], color="black", label="desired", where="post")
        for moment, what in self.marks:
            axes.axvline(moment, linestyle=":", color="grey")
            axes.annotate(what, (moment, MOST_NODES + 0.2), rotation=90, fontsize=8, va="top", ha="right")
        axes.set(xlabel=f"seconds; the cloud's run {SCALE:g} times faster", ylabel="nodes", ylim=(0, MOST_NODES + 0.3))
        axes.legend(loc="lower right")
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=120, bbox_inches="tight")
        plt.close(figure)


def set_up(checkout: Checkout) -> None:
    """The local stack's file, with what a faster clock and a machine of any speed need."""
    path = checkout.root / "Pulumi.local.yaml"
    document = yaml.safe_load(path.read_text())
    config = document["config"]
    # A little less than a share of ten clients, on slow machines and on fast ones: they need two nodes to five.
    # Where they seemed to need dozens, some of these would rightly be kept for long.
    config["warmfleet:models"][0] |= {"replica_tokens_per_second": 2.0, "most_spot_nodes": MOST_NODES}
    config["warmfleet:models"][0] |= {"least_nodes": 1, "most_on_demand_nodes": 0}
    config["warmfleet:poll_seconds"]["figures"] = 60 / SCALE
    config["warmfleet:node_drain_seconds"] = 60  # the hook's time runs faster, the node's does not
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LocalFleet]:
    checkout = scratch_checkout(tmp_path / "warmfleet", os.environ)
    set_up(checkout)
    try:
        control.start(checkout.root, report=print, timeout_seconds=180, time_scale=SCALE, environ=checkout.environ)
        facts = json.loads(checkout.warmfleet("up", "--json", seconds=600).stdout)
        yield LocalFleet(checkout, facts["model"], facts["gateway_url"], facts["api_key"], tmp_path)
    finally:
        control.stop(checkout.root, report=print)
    assert list(marked(Places.of(checkout.root).folder)) == []


def reclaim(fleet: LocalFleet, instance: str) -> None:
    state = control.running(fleet.checkout.root)
    assert state
    body = json.dumps({"instance_id": instance}).encode()
    with urlopen(Request(f"{state.endpoint_url}/_local/spot/interrupt", body), timeout=30) as answer:
        assert answer.status == 200


def seen_idle(fleet: LocalFleet) -> bool:
    """Whether the planner has seen a minute without clients."""
    done = fleet.checkout.warmfleet("scaling", "explain", "--json", check=False)
    return done.returncode == 0 and json.loads(done.stdout)["observed"]["offered_tokens_per_second"] == 0


def one_again(fleet: LocalFleet, watch: Watch) -> None:
    """Wait until one node is left; what the planner thought of it is in the failure."""
    try:
        soon(lambda: watch.group()["DesiredCapacity"] == 1 and len(watch.ready()) == 1, "a fleet of one again")
    except AssertionError as late:
        states = {each["InstanceId"]: each["LifecycleState"] for each in watch.group()["Instances"]}
        said = fleet.checkout.warmfleet("scaling", "explain", "--json", check=False).stdout
        raise AssertionError(f"{late}; {states}; {watch.looks[-1]}; {said}; {failed_plans(fleet)[-1:]}") from None


def failed_plans(fleet: LocalFleet) -> list[dict[str, Any]]:
    state = control.running(fleet.checkout.root)
    assert state
    with urlopen(f"{state.endpoint_url}/_local/events?after=0&wait=0", timeout=30) as answer:
        return [each for each in json.load(answer)["events"] if each["type"] == event_log.FUNCTION_FAILED]


def test_the_fleet_follows_its_clients_and_a_reclaim_costs_none_of_them_an_answer(fleet: LocalFleet) -> None:
    soon(lambda: seen_idle(fleet), "a planned minute without clients")
    command = [".venv/bin/warmfleet", "load", "--clients", CLIENTS, "--most-tokens", "8", "--json"]
    with Watch(fleet) as watch:
        load = subprocess.Popen(
            command, cwd=fleet.checkout.root, env=dict(fleet.checkout.environ), stdout=subprocess.PIPE, text=True
        )
        watch.mark("load begins")
        try:
            soon(lambda: len(watch.ready()) >= 2, "a second node")
            taken = watch.ready()[0]
            watch.mark("reclaim")
            reclaim(fleet, taken)
            said, _ = load.communicate(timeout=240)
        finally:
            load.kill()
        watch.mark("load ended")
        counted = json.loads(said)
        one_again(fleet, watch)
        watch.mark("idle")
    watch.draw(PLOT)
    assert load.returncode == 0, counted
    assert counted["answered"] == counted["asked"] > 0, counted
    assert (counted["lost"], counted["cut"], counted["refused"], counted["abandoned"]) == (0, 0, 0, 0), counted
    assert max(look.ready for look in watch.looks) >= 2
    assert max(look.desired for look in watch.looks) <= MOST_NODES
    assert taken not in watch.ready()
    assert failed_plans(fleet) == []
    assert PLOT.stat().st_size > 0
