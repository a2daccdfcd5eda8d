"""What `warmfleet simulate` reads, and the one sentence that it says of a file that it cannot."""

import gzip
import json
import lzma
import re
from pathlib import Path

import pytest

from infra.planner.model import Promise
from scripts.simulator.loads import read_load
from scripts.simulator.scene_files import Given, Prices, read_prices, read_scene
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


def test_a_metric_that_cloudwatch_exports_is_a_load(tmp_path: Path) -> None:
    times = [f"2026-01-01T00:0{minute}:00+00:00" for minute in (9, 8, 3, 2, 1, 0)]  # newest first, as it prints them
    data = {
        "MetricDataResults": [
            {"Id": "q", "Timestamps": times, "Values": [9, 8, 3, 2, 1, 0.5], "StatusCode": "Complete"}
        ]
    }
    load = read_load(written(tmp_path, "data.json", json.dumps(data, indent=4)))
    assert (load.step_seconds, list(load.values)) == (60, [0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert load.gaps == ("180-480 s has no rows, bridged by a straight line",)
    points = [{"Timestamp": t, "Sum": v, "Unit": "Count"} for t, v in zip(times[2:], [3, 2, 1, 0.5], strict=True)]
    statistics = json.dumps({"Label": "Offered", "Datapoints": [points[2], points[0], points[3], points[1]]})
    assert list(read_load(written(tmp_path, "statistics.json", statistics)).values) == [0.5, 1, 2, 3]


def test_requests_bring_their_sizes(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,4808,10\n2023-11-16 18:17:25,1,20\n"
    sizes = read_load(written(tmp_path, "azure.csv", text)).sizes
    assert sizes is not None
    assert (list(sizes.prompts), list(sizes.outputs)) == ([4808, 1], [10, 20])
    assert read_load(written(tmp_path, "short.csv", "timestamp,tokens\n0,5\n9,5\n")).sizes is None


@pytest.mark.parametrize("source", ["model:nan,1,16", "model:inf,1,16", "model:0,1,16", "model:1,2", "model:1,1,-1"])
def test_a_parametric_zone_needs_three_numbers(source: str) -> None:
    with pytest.raises(TraceError, match="write model:HOURS_UP,HOURS_DOWN,MOST"):
        read_supply(source, 16, 1e6, 0)


def test_a_run_of_seconds_is_refused(tmp_path: Path) -> None:
    load = written(tmp_path, "a.csv", "0,1\n1,1\n2,1\n")
    with pytest.raises(TraceError, match=r"a\.csv: it lasts 3 s; give at least 600 s"):
        read_scene([load], ["model:5,1,16"], None, GIVEN)


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
        ("0,1\n60,2\n30,2\n", "line 3: 30 s is before 60 s; sort the rows by time"),
        ("0,1\n60,x\n120,1\n", "line 2: no two numbers in '60,x'"),
        ("who knows\nwhat this is\n", "its rows have no known form"),
        ('{"timestamp": 5}\n', "line 1: no timestamp and output_length"),
        ('{"timestamp": NaN, "output_length": 1}\n', "line 1: no timestamp and output_length"),
        ("0,0\n60,0\n120,0\n", "every rate in it is 0"),
        ("0,1\n60,1\n120,1\n1e15,1\n", "1e+15 s in steps of 60 s"),
        ("timestamp,tokens\n0,5\n1e15,5\n", "1e+15 s between first and last request"),
        ('{"MetricDataResults": []}', "it has 0 results; export one metric"),
        ('{"MetricDataResults": [{"StatusCode": "PartialData"}]}', "its data is PartialData"),
        ('{"MetricDataResults": [{"Timestamps": ["2026-01-01T00:00:00Z"], "Values": [1, 2]}]}', "1 timestamps for 2"),
        ('{"MetricDataResults": [{"Timestamps": ["soon", "later"], "Values": [1, 2]}]}', "point 1 is soon, 1"),
        ('{"MetricDataResults": [{"Timestamps": ["2026-01-01T00:00:00Z"], "Values": [-1]}]}', "point 1 is 2026-01-01"),
        ('{"MetricDataResults": [{"Timestamps": ["2026-01-01T00:00:00Z"], "Values": [NaN]}]}', "point 1 is 2026-01-01"),
        (
            '{"MetricDataResults": [{"Timestamps": ["2026-01-01T00:00:00Z"], "Values": [1%s]}]}' % ("0" * 400),
            "point 1 is 2026-01-01",
        ),
        ('{"MetricDataResults": [[1]]}', "it has 0 results; export one metric"),
        ('{"MetricDataResults": [{"Timestamps": 1}]}', "no lists of Timestamps and Values; export it again"),
        ("0,1\n60,1e300\n120,1\n", "a rate of 1e+300 is none; correct it"),
        ('\n{"timestamp": 0, "output_length": 1}\n\n{"timestamp": 1}\n', "line 4: no timestamp and output_length"),
        ('{"Label": "x", "Datapoints": []}', "0 point of a metric"),
        ('{"Datapoints": [{"Timestamp": "2026-01-01T00:00:00Z", "Sum": 1, "Average": 1}]}', "Sum, Average; export one"),
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


@pytest.mark.parametrize(
    "text", ["0,add,a\n0,add,b\n70000,remove,a\n", "# p3\r\n0, ADD, a,\r\n\r\n0, add, b\r\n70000, Remove, a"]
)
@pytest.mark.parametrize("start", [0, 1_767_225_600_000])
def test_a_log_since_1970_begins_with_its_first_row(tmp_path: Path, text: str, start: int) -> None:
    moved = re.sub(r"^\d+", lambda found: str(int(found[0]) + start), text, flags=re.MULTILINE)
    assert list(read_supply(str(written(tmp_path, "p3.csv", moved)), 10, 1e6, 0).capacity.values) == [10, 5]


@pytest.mark.parametrize("pack", [lambda data: data, lzma.compress, gzip.compress])
def test_supplies_and_prices_may_be_compressed_and_have_a_byte_order_mark(tmp_path: Path, pack: object) -> None:
    zone, prices = tmp_path / "us-west-2a.json", tmp_path / "prices.csv"
    probes = json.dumps({"metadata": {"gap_seconds": 300}, "data": [2, 0, 1]})
    zone.write_bytes(pack(b"\xef\xbb\xbf" + probes.encode()))  # type: ignore[operator]
    prices.write_bytes(pack(b"\xef\xbb\xbfON_DEMAND, Spot,\r\n\r\n2, 0.8\r\n"))  # type: ignore[operator]
    assert list(read_supply(str(zone), 16, 1e6, 0).capacity.values) == [16, 0, 8]
    assert read_prices(prices, 3) == Prices(2.0, (0.8,))


def test_a_zone_that_never_has_capacity_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "z.csv", "0,remove,a\n90000,add,a\n")
    assert read_supply(str(path), 16, 1e6, 0).capacity.notes == ("z.csv: it has no capacity at any time",)


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
        ('{"metadata": {"gap_seconds": 300}, "data": [1, Infinity]}', "probe 1 is inf"),
        ('{"metadata": {"gap_seconds": 300}, "data": [1, 1%s]}' % ("0" * 400), "no metadata.gap_seconds and data"),
        ('{"metadata": {"gap_seconds": NaN}, "data": [1, 2]}', "2 probes every nan s"),
        ("5,add,a\n1,add,b\n", "line 2: 0.001 s is before 0.005 s"),
        ("x,y\n", "line 1: unknown row 'x,y'"),
        ("\n# p3\n0,add,a\n\n5,lose,a\n", "line 5: unknown row '5,lose,a'"),
        ("0;add;a\n", "line 1: its columns are separated by semicolons"),
        ("1767225600,add,a\n", "line 1: 1767225600 is no time in milliseconds, from a start or since 1970"),
        ("0,add,a\n999999999999999,add,b\n", "its rows span 1e+12 s; check its times"),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on_demand,spot\n2,0.8\n\n2.1,0.9\n", "line 4: on_demand is 2.1, and 2 in line 2; give one value"),
        ("\non_demand,spot\n\n2,0.8\n2,x\n", "line 5: no numbers under on_demand and spot"),
        ("on_demand,spot\n2,0.8\n2,-1\n", "line 3: the prices 2 and -1 are not both above 0"),
        ("od,spot\n2,0.8\n2,1\n", "line 1: it has no columns on_demand and spot; write on_demand,spot"),
        ("", "it has no columns on_demand and spot"),
    ],
)
def test_prices_that_cannot_be_used_are_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError) as refused:
        read_prices(written(tmp_path, "prices.csv", text), 2)
    assert said in str(refused.value)


def test_several_loads_add_up_at_the_finer_step(tmp_path: Path) -> None:
    fine = written(tmp_path, "fine.csv", "0,1\n300,2\n600,3\n900,4\n")
    coarse = written(tmp_path, "coarse.csv", "0,10\n600,20\n")
    zone = written(tmp_path, "z.json", json.dumps({"metadata": {"gap_seconds": 300}, "data": [16] * 4}))
    scene = read_scene([fine, coarse], [str(zone)], None, GIVEN)
    assert list(scene.load.values) == [11, 12, 23, 24]
