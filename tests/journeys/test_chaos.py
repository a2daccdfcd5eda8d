"""`warmfleet chaos` as a user runs it: nothing is lost, and with a guard off the loss is seen."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUESTS, JOBS = 2000, 300

pytestmark = [pytest.mark.journey, pytest.mark.failures]


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(ROOT / ".venv/bin/warmfleet"), "chaos", "--json", *arguments]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.mark.timeout(1200)
def test_nothing_is_lost_whatever_strikes() -> None:
    done = chaos("--requests", str(REQUESTS), "--jobs", str(JOBS), "--seed", "1")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    total = document["totals"]
    assert (total["requests"], total["jobs"], total["answered"]) == (REQUESTS, JOBS, REQUESTS + JOBS)
    zero = ("lost", "duplicated", "cut", "unexpected", "text_mismatches")
    assert [total[name] for name in zero] == [0] * len(zero)
    assert total["resumed"] > 0, "no stream was struck: this run proves nothing"
    assert document["scenarios"]["gateway-killed"]["client_reconnects"] > 0, "no gateway was struck"
    assert REQUESTS / 5 < total["asked_again"] < REQUESTS / 3
    assert total["notice_to_unready_seconds"] <= 5
    assert total["notice_to_gone_seconds"] <= document["scaled"]["notice_seconds"] + 5


@pytest.mark.timeout(300)
def test_without_resume_streams_are_cut() -> None:
    done = chaos("--requests", "140", "--scenario", "third-lost", "--guards-off", "resume")
    assert done.returncode == 1
    assert json.loads(done.stdout)["totals"]["cut"] > 0
    assert "third-lost: cut is" in done.stderr


@pytest.mark.timeout(300)
def test_jobs_that_are_acknowledged_before_their_result_are_lost_with_their_nodes() -> None:
    done = chaos("--requests", "20", "--jobs", "60", "--scenario", "third-lost", "--guards-off", "acknowledge")
    assert done.returncode == 1
    assert json.loads(done.stdout)["totals"]["lost"] > 0
    assert "third-lost: lost is" in done.stderr


@pytest.mark.timeout(300)
def test_without_deduplication_jobs_that_could_not_be_acknowledged_have_two_effects() -> None:
    done = chaos("--requests", "20", "--jobs", "60", "--scenario", "sqs-outage", "--guards-off", "deduplication")
    assert done.returncode == 1
    total = json.loads(done.stdout)["totals"]
    assert total["duplicated"] > total["asked_again"], "no job was done twice, only requests were"
    assert (total["lost"], total["text_mismatches"]) == (0, 0)
    assert "sqs-outage: duplicated is" in done.stderr


@pytest.mark.timeout(300)
def test_without_deduplication_every_client_that_asks_again_gets_a_second_answer() -> None:
    done = chaos("--requests", "40", "--jobs", "0", "--scenario", "notice", "--guards-off", "deduplication")
    assert done.returncode == 1
    total = json.loads(done.stdout)["totals"]
    assert total["duplicated"] == total["asked_again"] > 0
    assert total["lost"] == 0
    assert "notice: duplicated is" in done.stderr


@pytest.mark.timeout(300)
def test_without_drain_a_noticed_node_takes_requests_until_it_is_gone() -> None:
    """That nothing is lost even so is resume's doing."""
    done = chaos("--requests", "60", "--scenario", "notice", "--guards-off", "drain")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["totals"]["notice_to_unready_seconds"] >= document["scaled"]["notice_seconds"]
    assert "notice: a node was unready" in done.stderr


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    done = chaos("--scenario", "earthquake")
    assert done.returncode == 64
    assert "earthquake" in done.stderr
    assert "gateway-killed" in done.stderr
