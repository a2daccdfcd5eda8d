"""What a CSV of a load is taken for, however its header and cells are written."""

import gzip
import lzma
from pathlib import Path

import pytest

from scripts.simulator.loads import read_load
from scripts.simulator.traces import TraceError

ISO = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00+00:00", "2026-01-01 00:02:00", "2026-01-01T04:03:00.0+04:00")
PERIODS = (0, 60, 120, 180)


def written(folder: Path, text: str, name: str = "load.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("times", [PERIODS, ISO])
@pytest.mark.parametrize(
    "header",
    [
        "timestamp(ISO),rate_per_second",
        "t_seconds,tokens_per_second",
        "TIMESTAMP,RATE",
        "time,requests/s",
        "time,ratePerSecond",
        "when,QPS",
        "t,output_tokens_per_s",
        "time,RPS,mean_prompt_tokens",
    ],
)
def test_a_header_with_a_rate_means_rates_however_times_are_written(
    tmp_path: Path, header: str, times: tuple[object, ...]
) -> None:
    rows = "".join(f"{time},{rate},9\n" for time, rate in zip(times, (1, 2, 3, 4), strict=True))
    load = read_load(written(tmp_path, f"{header}\n{rows}"))
    assert (load.step_seconds, list(load.values), load.notes) == (60.0, [1, 2, 3, 4], ())


@pytest.mark.parametrize(
    "header",
    [
        "timestamp,prompt,output",
        "Timestamp,Request tokens,Response tokens",
        "TIMESTAMP,CONTEXTTOKENS,GENERATEDTOKENS",
        "t_seconds,input_tokens,output_tokens",
    ],
)
def test_a_header_with_counts_of_tokens_means_requests_at_any_times(tmp_path: Path, header: str) -> None:
    load = read_load(written(tmp_path, f"{header}\n0,7,10\n21,7,20\n21,7,30\n"))
    assert list(load.values * 10) == [10, 0, 50]
    assert load.sizes is not None
    assert (list(load.sizes.prompts), list(load.sizes.outputs), load.notes) == ([7, 7, 7], [10, 20, 30], ())


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    text = "id,timestamp,output_tokens,model,prompt_tokens,total_tokens\n1,0,10,a,7,17\n2,12,20,b,8,28\n"
    load = read_load(written(tmp_path, text))
    assert list(load.values * 10) == [10, 20]
    assert load.sizes is not None
    assert list(load.sizes.prompts) == [7, 8]


@pytest.mark.parametrize("header", ["", "time,value\n"])
def test_without_a_telling_header_an_even_step_means_rates_and_that_is_said(tmp_path: Path, header: str) -> None:
    load = read_load(written(tmp_path, f"{header}0,1\n60,2\n120,3\n180,3\n600,3\n660,9\n"))
    assert (load.step_seconds, load.values[-1], len(load.values)) == (60, 9, 12)
    assert "taken for rates every 60 s" in load.notes[0]


@pytest.mark.parametrize("times", [(0, 21, 21, 40), (0, 7, 9, 31), (0, 10, 10, 20)])
def test_without_a_telling_header_uneven_or_repeated_times_mean_requests_and_that_is_said(
    tmp_path: Path, times: tuple[int, ...]
) -> None:
    load = read_load(written(tmp_path, "".join(f"{time},10\n" for time in times)))
    assert load.values.sum() * 10 == 40
    assert "taken for one request a row" in load.notes[0]


def test_a_client_of_servegen_needs_no_header(tmp_path: Path) -> None:
    load = read_load(written(tmp_path, "0,1,.9,G,1,1\n600,2,0,,0,0\n"))
    assert (list(load.values), load.notes) == ([1, 2], ())


@pytest.mark.parametrize(("unit", "noted"), [(1000, "milliseconds"), (1_000_000, "microseconds")])
def test_times_since_1970_in_a_finer_unit_are_known_by_their_size(tmp_path: Path, unit: int, noted: str) -> None:
    load = read_load(written(tmp_path, "t,rate\n" + "".join(f"{(1_767_225_600 + t) * unit},1\n" for t in PERIODS)))
    assert (load.step_seconds, load.start_seconds) == (60, 1_767_225_600)
    assert noted in load.notes[0]


def test_a_header_may_tell_the_unit_of_its_times(tmp_path: Path) -> None:
    assert read_load(written(tmp_path, "timestamp_ms,rate\n0,1\n60000,1\n")).step_seconds == 60
    assert read_load(written(tmp_path, "hour,rate\n0,1\n1,1\n")).step_seconds == 3600


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff0,1\n60,2\n120,3\n",
        "\ufefft_seconds,rate_per_second\n0,1\n60,2\n120,3\n",
        "t_seconds,rate_per_second\r\n0,1\r\n60,2\r\n120,3\r\n",
        "t_seconds, rate_per_second\n 0, 1\n60,  2\n120 ,3 \n",
        '"t_seconds","rate_per_second"\n"0", "1"\n"60","2"\n"120","3"\n',
        "t_seconds,rate_per_second,\n0,1,\n60,2,\n120,3,\n",
        'T_SECONDS,RATE_PER_SECOND\n0,1\n\n60,2\n# a note, "of hand\n120,3\n\n',
        "# made by hand\nt_seconds,rate_per_second\n0,1\n60,2\n120,3",
    ],
)
def test_no_row_is_lost_to_the_way_in_which_a_csv_is_written(tmp_path: Path, text: str) -> None:
    assert list(read_load(written(tmp_path, text)).values) == [1, 2, 3]


@pytest.mark.parametrize("pack", [lambda data: data, lzma.compress, gzip.compress])
def test_what_is_compressed_is_known_by_its_bytes(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "load.csv"
    path.write_bytes(pack(b"\xef\xbb\xbft,rate\n0,1\n60,2\n"))  # type: ignore[operator]
    assert list(read_load(path).values) == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t;rate\n0;1,5\n60;2\n", "line 1: its columns are separated by semicolons; separate them by commas"),
        ("t\trate\n0\t1\n", "line 1: its columns are separated by tabs; separate them by commas"),
        ('t,rate\n\n0,"1\n60,2\n', "line 3: a quote is not closed on its line; close or remove it"),
        ("t,rate\n0,1\n\n# pause\n60,x\n", "line 5: no two numbers in '60,x'; write t_seconds,rate_per_second"),
        ("\n\nt,rate\n\n60,1\n0,1\n", "line 6: 0 s is before 60 s; sort the rows by time"),
        ("t,rate\n0,1\n60,1\n60,1\n", "line 4: 60 s comes twice; give one row a time, or name the columns of tokens"),
        ("t,tokens\n\n0,5\n9,\n", "line 4: no time and token count in '9,'; give"),
        ("soon,1\n60,2\n", "line 1: its rows have no known form: 'soon,1'; give"),
        ("t_seconds,rate_per_second\n", "line 1: no row of figures comes after 't_seconds,rate_per_second'; give"),
        ("# nothing\n", "it has no rows; give"),
        ("1\n2\n3\n", "line 1: its rows have no known form: '1'; give"),
        ("t,rate\n2026-01-01,1\n2025-01-01,1\n", "line 3: 2025-01-01T00:00:00Z is before 2026-01-01T00:00:00Z"),
    ],
)
def test_a_table_is_refused_with_the_line_as_an_editor_counts_it(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as refused:
        read_load(path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


@pytest.mark.parametrize("data", [bytes(range(256)), gzip.compress(b"0,1\n60,2\n", mtime=0)[:-9], b"\xfd7zXZ\x00bad"])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "load.csv"
    path.write_bytes(data)
    with pytest.raises(TraceError, match=r"load\.csv: it cannot be read as text .* give text in UTF-8"):
        read_load(path)
