"""`warmfleet simulate`, from its arguments to what it prints."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from scripts import cli
from scripts.exit_codes import USAGE
from scripts.simulator.score import Score

POLICY = "on-demand-target-tracking"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "load.csv"
    path.write_text("".join(f"{60 * i},{1 + i % 3}\n" for i in range(60)))
    return path


def arguments(trace: Path, *more: str) -> list[str]:
    return ["simulate", "--load", str(trace), "--spot", "model:5,1,16", "--policy", POLICY, *more]


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["warmfleet", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_bound_has_the_keys_of_a_policy_in_json(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "plots"
    assert run(arguments(trace, "clairvoyant", "--json", "--plot", str(plot)), monkeypatch) == 0
    printed = capsys.readouterr()
    policy, bound = json.loads(printed.out)["policies"]
    assert list(bound) == list(policy) == [one.name for one in fields(Score)]
    assert (bound["slo"], bound["launches"], bound["mean_ready"]) == (0.99, None, None)
    assert bound["usd"] / bound["cost"] == pytest.approx(policy["usd"] / policy["cost"])
    assert "clairvoyant" not in json.dumps(policy)
    assert (plot / "cost-slo.png").stat().st_size > 0
    assert "capacity-" in (plot / "index.html").read_text()


def test_the_bound_is_a_row_of_the_table(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(trace, "clairvoyant"), monkeypatch) == 0
    assert "clairvoyant" in capsys.readouterr().out


def test_what_was_guessed_of_a_file_is_said_on_stderr_and_in_json(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(trace, "--json"), monkeypatch) == 0
    printed = capsys.readouterr()
    assert "note: load.csv: it has no header: taken for rates every 60 s" in printed.err
    assert "taken for rates" in json.loads(printed.out)["notes"][0]


def test_many_holes_are_summed_up_on_stderr_and_all_in_json(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace.write_text("t,rate\n" + "".join(f"{60 * i},1\n" for i in range(200) if i % 6))
    assert run(arguments(trace, "--json"), monkeypatch) == 0
    printed = capsys.readouterr()
    gaps = json.loads(printed.out)["gaps"]
    assert printed.err.count("gap: ") == 21
    assert f"gap: and {len(gaps) - 20} more, which --json has" in printed.err


@pytest.mark.parametrize("below", ["", "/plots"])
def test_a_file_in_place_of_the_folder_of_plots_is_refused_before_anything_is_played(
    trace: Path, below: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.simulator.world.simulate", None)
    assert run(arguments(trace, "--plot", f"{trace}{below}"), monkeypatch) == USAGE
    said = capsys.readouterr().err
    assert f"--plot {trace}{below} is no folder and cannot be made one" in said.replace("\n", " ")
    assert "Errno" not in said


def test_what_cannot_be_read_is_one_sentence(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace.write_text("t;rate\n0;1\n")
    assert run(arguments(trace), monkeypatch) == USAGE
    printed = capsys.readouterr()
    assert "line 1: its columns are separated by semicolons" in printed.err.replace("\n", " ")
    assert printed.out == ""
