"""`python -m localcloud.aws` as the daemon starts it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import psutil
import pytest

PREFIX = "127.11"


@contextmanager
def started(log: Path, *more: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    arguments = [sys.executable, "-m", "localcloud.aws", "--prefix", PREFIX, *more]
    with (
        log.open("wb") as errors,
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def client(service: str, url: str) -> Any:
    return boto3.Session("made-up", "made-up", region_name="us-east-1").client(service, endpoint_url=url)


def test_it_listens_on_its_address_knows_its_run_and_logs_no_requests(tmp_path: Path):
    with started(tmp_path / "log", "--run-id", "abc") as (process, url):
        assert url.startswith(f"http://{PREFIX}.0.1:")
        with urlopen(f"{url}/_local/health", timeout=30) as answer:
            assert json.load(answer) == {"run_id": "abc", "pid": process.pid, "failures": {}}
        assert client("sts", url).get_caller_identity()["Account"] == "123456789012"
        lines = (tmp_path / "log").read_text().splitlines()
        assert [json.loads(each)["event"] for each in lines] == ["the local AWS listens"]
        listening = [each.laddr.ip for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
        assert listening == [f"{PREFIX}.0.1"]


@pytest.mark.parametrize("how", ["SIGTERM", "end of input"])
def test_it_ends_also_while_someone_waits_for_events(tmp_path: Path, how: str):
    with started(tmp_path / "log") as (process, url):
        waiting = subprocess.Popen(  # keeps a request open for longer than the end may take
            [
                sys.executable,
                "-c",
                f"import urllib.request as r; r.urlopen('{url}/_local/events?after=0&wait=25').read()",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while len(psutil.Process(process.pid).net_connections()) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            began = time.monotonic()
            if how == "SIGTERM":
                os.kill(process.pid, signal.SIGTERM)
            else:
                assert process.stdin is not None
                process.stdin.close()
            assert process.wait(10) == 0
            assert time.monotonic() - began < 5
        finally:
            waiting.kill()
            waiting.wait()


def test_time_passes_by_itself(tmp_path: Path):
    with started(tmp_path / "log", "--time-scale", "100") as (_, url):
        ec2, asg = client("ec2", url), client("autoscaling", url)
        ec2.create_launch_template(
            LaunchTemplateName="template", LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t3.small"}
        )
        hook = {"LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
        asg.create_auto_scaling_group(
            AutoScalingGroupName="g",
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=1,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "template"},
            LifecycleHookSpecificationList=[{**hook, "HeartbeatTimeout": 60, "DefaultResult": "CONTINUE"}],
        )
        deadline = time.monotonic() + 30
        seen: set[str] = set()
        while "InService" not in seen and time.monotonic() < deadline:
            (group,) = asg.describe_auto_scaling_groups()["AutoScalingGroups"]
            seen |= {each["LifecycleState"] for each in group["Instances"]}
        assert {"Pending:Wait", "InService"} <= seen


def test_a_time_scale_of_zero_is_refused(tmp_path: Path):
    arguments = [sys.executable, "-m", "localcloud.aws", "--prefix", PREFIX, "--time-scale", "0"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "--time-scale" in done.stderr
