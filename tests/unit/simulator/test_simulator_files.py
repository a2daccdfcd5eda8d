"""What `warmfleet simulate` reads, and the one sentence that it says of a file that it cannot."""

import json
import lzma
from pathlib import Path

import pytest

from infra.planner.model import Promise
from scripts.simulator.loads import read_load
from scripts.simulator.scene_files import Given, read_prices, read_scene
from scripts.simulator.supplies import read_supply
from scripts.simulator.traces import TraceError

GIVEN = Given(12.0, 300.0, Promise(), 0)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rates_are_read_with_and_without_a_header(tmp_path: Path) -> None:
    rows = "0,1.5\n60,2\n120,4\n"
    bare = read_load(written(tmp_path, "a.csv", rows))
    headed = read_load(written(tmp_path, "b.csv", "t_seconds,rate_per_second\n" + rows))
    assert bare.step_seconds == 60
    assert list(bare.values) == list(headed.values) == [1.5, 2, 4]


def test_requests_are_counted_in_tokens(tmp_path: Path) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n2023-11-16 18:17:25.0,1,20\n"
    )
    assert list(read_load(written(tmp_path, "azure.csv", text)).values * 10) == [18, 0, 20]


def test_json_lines_may_be_compressed(tmp_path: Path) -> None:
    lines = [{"timestamp": 0, "output_length": 5}, {"timestamp": 12_000, "output_length": 7}]
    path = tmp_path / "conversation.jsonl.xz"
    path.write_bytes(lzma.compress("\n".join(map(json.dumps, lines)).encode()))
    assert list(read_load(path).values * 10) == [5, 7]


def test_a_folder_of_clients_is_their_sum_and_silence_of_all_is_a_gap(tmp_path: Path) -> None:
    written(tmp_path, "chunk-0-trace.csv", "0,1,.9,G,1,1\n600,0,.9,G,1,1\n1200,0,.9,G,1,1\n1800,3,.9,G,1,1\n")
    written(tmp_path, "chunk-1-trace.csv", "0,1,.9,G,1,1\n600,0,.9,G,1,1\n1200,0,.9,G,1,1\n1800,2,.9,G,1,1\n")
    load = read_load(tmp_path)
    assert list(load.values) == [2, 3, 4, 5]
    assert load.gaps == ("600-1800 s: no request of any client, bridged by a straight line",)


def test_a_hole_in_the_rows_is_bridged_and_named(tmp_path: Path) -> None:
    load = read_load(written(tmp_path, "a.csv", "0,1\n60,1\n120,1\n180,1\n600,8\n660,8\n"))
    assert list(load.values[:5]) == [1, 1, 1, 1, 2]
    assert load.gaps == ("180-600 s has no rows, bridged by a straight line",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("0,1\n", "1 row of rates"),
        ("0,1\n60,-2\n", "line 2: the rate -2 is negative"),
        ("0,1\n60,2\n30,2\n", "line 3: 30 s is not after 60 s; sort the rows by time"),
        ("0,1\n60,x\n120,1\n", "line 2: no two numbers in '60,x'"),
        ("who knows\nwhat this is\n", "its rows have no known form"),
        ('{"timestamp": 5}\n', "line 1: no timestamp and output_length"),
    ],
)
def test_a_load_that_cannot_be_replayed_is_refused_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, "load.csv", text)
    with pytest.raises(TraceError) as refused:
        read_load(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(("most", "probes"), [(1, [1, 0, 1]), (4, [4, 0, 4]), (16, [16, 0, 16])])
def test_a_zone_gives_its_share_of_what_was_probed(tmp_path: Path, most: int, probes: list[int]) -> None:
    path = written(tmp_path, f"us-west-2a_{most}.json", json.dumps({"metadata": {"gap_seconds": 300}, "data": probes}))
    supply = read_supply(str(path), 16, 1e6, 0)
    assert list(supply.capacity.values) == [16, 0, 16]
    assert supply.domain == "us-west-2"


def test_node_events_are_added_up(tmp_path: Path) -> None:
    path = written(tmp_path, "p3.csv", "0,add,a\n0,add,b\n70000,remove,a\n")
    assert list(read_supply(str(path), 10, 1e6, 0).capacity.values) == [10, 5]


def test_a_parametric_zone_is_up_and_down_and_the_same_for_a_seed() -> None:
    one, other = (read_supply("model:5,1,16", 16, 10 * 86_400, seed).capacity.values for seed in (3, 3))
    assert set(one) == {0.0, 16.0}
    assert list(one) == list(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ('{"data": [1, 2]}', "no metadata.gap_seconds and data"),
        ('{"metadata": {"gap_seconds": 300}, "data": [1, -2]}', "probe 1 is -2"),
        ("5,add,a\n1,add,b\n", "line 2: 0.001 s is before 0.005 s"),
        ("x,y\n", "line 1: unknown row 'x,y'"),
    ],
)
def test_a_supply_that_cannot_be_replayed_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, "spot.json", text)
    with pytest.raises(TraceError) as refused:
        read_supply(str(path), 16, 1e6, 0)
    assert said in str(refused.value)


def test_prices_are_one_row_or_one_for_each_zone(tmp_path: Path) -> None:
    path = written(tmp_path, "prices.csv", "instance,az_id,on_demand,spot\ng6,a,2.0,0.8\ng6,b,2.0,0.9\n")
    assert read_prices(path, 2).spot == (0.8, 0.9)
    with pytest.raises(TraceError, match="2 rows of prices for 3 spot traces"):
        read_prices(path, 3)


def test_several_loads_add_up_at_the_finer_step(tmp_path: Path) -> None:
    fine = written(tmp_path, "fine.csv", "0,1\n60,2\n120,3\n180,4\n")
    coarse = written(tmp_path, "coarse.csv", "0,10\n120,20\n")
    zone = written(tmp_path, "z.json", json.dumps({"metadata": {"gap_seconds": 60}, "data": [16] * 10}))
    scene = read_scene([fine, coarse], [str(zone)], None, GIVEN)
    assert list(scene.load.values) == [11, 12, 23, 24]
