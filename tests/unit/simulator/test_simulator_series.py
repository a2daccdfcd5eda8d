"""Loads and supplies keep what they hold, and when, whatever the step of their files."""

import json
from pathlib import Path

import numpy as np
import pytest

from infra.planner.model import Promise
from scripts.simulator.loads import read_load
from scripts.simulator.scene import STEP_SECONDS, Scene
from scripts.simulator.scene_files import Given, read_scene
from scripts.simulator.supplies import Supply
from scripts.simulator.traces import Series, TraceError

GIVEN = Given(12.0, 300.0, Promise(), 0)
DAY = 86_400


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rates(folder: Path, name: str, start: int, values: list[float], step: int = 60) -> Path:
    rows = "".join(f"{start + i * step},{value}\n" for i, value in enumerate(values))
    return written(folder, name, "t_seconds,rate\n" + rows)


@pytest.mark.parametrize("step", [1.0, 2.5, 7.0, 15.0, 33.3])
def test_a_load_of_another_step_keeps_its_sum(step: float) -> None:
    load = Series("x", step, np.random.default_rng(1).random(int(3600 / step)) ** 9)
    count = int(load.seconds / STEP_SECONDS)
    held = load.averaged(STEP_SECONDS, count).sum() * STEP_SECONDS
    assert held == pytest.approx(load.values.sum() * step, rel=0.02)  # but for a part of a step at its end
    assert load.averaged(STEP_SECONDS, 1)[0] == pytest.approx(load.averaged(STEP_SECONDS / 10, 10).mean())


def test_a_spike_between_two_steps_is_not_overlooked() -> None:
    assert list(Series("x", 1.0, np.eye(1, 20, 5)[0]).averaged(10.0, 2)) == pytest.approx([0.1, 0])


@pytest.mark.parametrize("step", [10.0, 60.0, 600.0])
def test_a_load_of_whole_steps_is_replayed_as_it_is(step: float) -> None:
    values = np.random.default_rng(1).random(50)
    load = Series("x", step, values)
    assert list(load.averaged(10.0, int(load.seconds / 10))) == list(np.repeat(values, int(step / 10)))


def test_a_supply_gives_in_a_step_the_least_that_it_has_in_it() -> None:
    fine = Series("z", 4.0, np.array([5.0, 5, 1, 5, 5, 5, 5, 2, 5, 5]))
    assert list(fine.least(10.0, 4)) == [1, 1, 2, 2]
    assert list(Series("z", 30.0, np.array([3.0, 4])).least(10.0, 6)) == [3, 3, 3, 4, 4, 4]
    load = Series("x", 10.0, np.ones(4))
    assert Scene(load, (Supply(fine, "r"),)).groups()[0].supply == [1, 1, 2, 2]


@pytest.mark.parametrize(("days", "skipped"), [(4.9, 0.0), (5.0, 2.0), (14.0, 2.0)])
def test_the_first_two_days_are_not_scored_from_five_days_on(days: float, skipped: float) -> None:
    scene = Scene(Series("x", 60.0, np.ones(int(days * 1440))), ())
    assert scene.first_scored * STEP_SECONDS == skipped * DAY


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ([1.0] * 24 + [0.0] * 144, r"x\.csv: nothing is asked in the part .* scored, day 2 to 7 of it; give another"),
        ([1.0] * 24 + [1e-9] * 144, r"x\.csv: 5e\+08 times less is asked in the part .* scored, day 2 to 7 of it"),
    ],
)
def test_a_load_without_work_where_it_is_scored_is_refused(tmp_path: Path, work: list[float], said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_scene([rates(tmp_path, "x.csv", 0, work, 3600)], ["model:5,1,16"], None, GIVEN)


def test_a_load_that_begins_after_the_supply_ends_is_refused(tmp_path: Path) -> None:
    load = rates(tmp_path, "x.csv", 0, [0.0] * 60 + [1.0] * 60)
    zone = written(tmp_path, "z.json", json.dumps({"metadata": {"gap_seconds": 300}, "data": [4] * 12}))
    with pytest.raises(TraceError, match=r"nothing is asked .* longer spot traces if the load goes on"):
        read_scene([load], [str(zone)], None, GIVEN)


def test_every_hole_in_the_rows_is_named_be_it_of_one_row(tmp_path: Path) -> None:
    load = read_load(written(tmp_path, "a.csv", "t,rate\n0,1\n60,1\n180,3\n240,1\n300,1\n"))
    assert list(load.values) == [1, 1, 2, 3, 1, 1]
    assert load.gaps == ("60-180 s has no rows, bridged by a straight line",)


def test_silence_in_a_list_of_requests_is_named_and_left(tmp_path: Path) -> None:
    lines = [f"{t},5" for t in range(14_400) if not 5000 <= t < 9000]
    load = read_load(written(tmp_path, "a.csv", "t,tokens\n" + "\n".join(lines)))
    assert load.gaps == ("4999-9000 s has no request, left as it is",)
    assert not load.values[501:899].any()
    rare = read_load(written(tmp_path, "b.csv", "t,tokens\n0,5\n900,5\n1000,5\n3000,5\n"))
    assert rare.gaps == ()


def test_a_client_that_begins_later_is_added_when_it_begins(tmp_path: Path) -> None:
    written(tmp_path, "a-trace.csv", "".join(f"{600 * i},1,0,,0,0\n" for i in range(6)))
    written(tmp_path, "b-trace.csv", "2400,5,0,,0,0\n3000,5,0,,0,0\n3600,5,0,,0,0\n")
    assert list(read_load(tmp_path).values) == [1, 1, 1, 1, 6, 6, 5]
    written(tmp_path, "b-trace.csv", "2100,5,0,,0,0\n2700,5,0,,0,0\n")
    assert list(read_load(tmp_path).values) == pytest.approx([1, 1, 1, 3.5, 6, 3.5])


def test_several_loads_add_up_at_the_times_that_all_have(tmp_path: Path) -> None:
    early = rates(tmp_path, "early.csv", 0, [float(i) for i in range(60)])
    late = rates(tmp_path, "late.csv", 1800, [100.0] * 60)
    scene = read_scene([early, late], ["model:500,1,16"], None, GIVEN)
    assert list(scene.load.values) == [100 + i for i in range(30, 60)]
    assert "late.csv begins at 1800 s: replayed are the 1800 s that are in all of them" in scene.load.notes[0]


@pytest.mark.parametrize(
    ("start", "said"), [(1_767_225_600, "different clocks"), (90_000, "no time is in all of them")]
)
def test_loads_without_a_common_time_are_taken_from_their_starts_and_that_is_said(
    tmp_path: Path, start: int, said: str
) -> None:
    paths = [rates(tmp_path, "a.csv", 0, [1.0] * 60), rates(tmp_path, "b.csv", start, [2.0] * 60)]
    load = read_scene(paths, ["model:500,1,16"], None, GIVEN).load
    assert list(load.values) == [3.0] * 60
    assert said in load.notes[0]
    assert "each is taken from its own start" in load.notes[0]
