"""Functions on a schedule in the local cloud: the package itself runs, once a minute, and what it says is told."""

import json
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from inference_service import contract
from infra.components.planner import HANDLER
from infra.planner.fleet import as_variable
from localcloud.aws import event_log
from localcloud.aws.functions import Functions
from localcloud.aws.in_process import local_aws
from scripts import planner_zip
from tests.aws.conftest import Fleet
from tests.aws.test_planner_handler import PLANNED, World

ROOT = Path(__file__).resolve().parents[2]


class Scheduled:
    """A function that a rule invokes each minute, and the cloud's time."""

    def __init__(self, fleet: Fleet) -> None:
        self.aws = fleet.aws
        self.functions = Functions(fleet.aws.url)

    def add(self, package: bytes, handler: str, variables: dict[str, str]) -> None:
        trust = {
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
            ]
        }
        iam = self.aws.client("iam")
        role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        made = self.aws.client("lambda").create_function(
            FunctionName="f",
            Runtime="python3.12",
            Role=role,
            Handler=handler,
            Code={"ZipFile": package},
            Timeout=50,
            Environment={"Variables": variables},
        )
        events = self.aws.client("events")
        events.put_rule(Name="minute", ScheduleExpression="rate(1 minute)", State="ENABLED")
        events.put_targets(Rule="minute", Targets=[{"Id": "f", "Arn": made["FunctionArn"]}])
        self.functions.tick(self.aws.cloud)

    def minute(self) -> dict[str, Any]:
        """A minute passes; what came of the run that began with it."""
        self.aws.clock.advance(60)
        self.functions.tick(self.aws.cloud)
        for running in list(self.functions._running.values()):
            running.process.wait(50)
        self.functions.tick(self.aws.cloud)
        kinds = (event_log.FUNCTION_RAN, event_log.FUNCTION_FAILED)
        return [each for each in self.aws.cloud.events.after(0) if each["type"] in kinds][-1]


@pytest.fixture
def scheduled(fleet: Fleet) -> Iterator[Scheduled]:
    made = Scheduled(fleet)
    yield made
    made.functions.stop()


def package(text: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", text)
    return packed.getvalue()


def test_a_function_runs_each_minute_with_its_variables_and_the_time(scheduled: Scheduled) -> None:
    text = "import os\ndef handle(event, context): return [event['time'][:2], os.environ['A']]\n"
    scheduled.add(package(text), "main.handle", {"A": "1"})
    assert [json.loads(scheduled.minute()["result"]) for _ in range(2)] == [["20", "1"]] * 2


def test_at_any_scale_a_minute_of_figures_is_a_minute_of_the_schedule() -> None:
    """What is published between two runs is found in the minute before the second one's time."""
    text = "import json\ndef handle(event, context): return event['time']\n"
    with local_aws("127.78", time_scale=20.0) as aws:
        made = Scheduled(Fleet(aws))
        try:
            made.add(package(text), "main.handle", {})
            first = datetime.fromisoformat(json.loads(made.minute()["result"]))
            aws.clock.advance(30)
            data = [{"MetricName": "asked", "Value": 5.0}]
            aws.client("cloudwatch").put_metric_data(Namespace="ours", MetricData=data)
            second = datetime.fromisoformat(json.loads(made.minute()["result"]))
            assert second - first == timedelta(seconds=90)
            query = {"Metric": {"Namespace": "ours", "MetricName": "asked"}, "Period": 60, "Stat": "Sum"}
            found = aws.client("cloudwatch").get_metric_data(
                MetricDataQueries=[{"Id": "m", "MetricStat": query}], StartTime=first, EndTime=second
            )
            assert found["MetricDataResults"][0]["Values"] == [5.0]
        finally:
            made.functions.stop()


def test_a_function_that_fails_is_told_with_its_reason(scheduled: Scheduled) -> None:
    scheduled.add(package("def handle(event, context): raise ValueError('no fleet')\n"), "main.handle", {})
    failed = scheduled.minute()
    assert failed["type"] == event_log.FUNCTION_FAILED
    assert "no fleet" in failed["error"]


def test_the_planners_package_sizes_a_fleet(scheduled: Scheduled, fleet: Fleet) -> None:
    world = World(fleet)
    variables = {
        contract.VAR_ENVIRONMENT: "dev",
        contract.VAR_BUCKET: "models",
        contract.VAR_INTERRUPTIONS_QUEUE_URL: world.queue,
        contract.VAR_GATEWAY_GROUP: "gateway",
        contract.VAR_FLEETS: as_variable([PLANNED]),
    }
    scheduled.add(planner_zip.content(ROOT), HANDLER, variables)
    now = fleet.aws.clock.date(fleet.aws.clock.now() + 60).timestamp()
    world.now = lambda: now // 60 * 60  # type: ignore[method-assign]
    world.ask(4.0)
    told = scheduled.minute()
    assert told["type"] == event_log.FUNCTION_RAN, told
    assert world.desired("spot") >= 4
