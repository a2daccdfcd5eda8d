"""A planner's handler in a local AWS: the groups that it sizes, what gateways report, and the minutes that pass."""

import json
from datetime import UTC, datetime
from typing import Any

from inference_service import contract
from infra.planner import cloud
from infra.planner.fleet import Fleet as PlannedFleet
from infra.planner.fleet import Group, Settings
from infra.planner.handler import run
from tests.aws.conftest import Fleet

START = 1_790_000_000 // 60 * 60
PLANNED = PlannedFleet(
    "m", (Group("spot", True, 20, 0.41), Group("on-demand", False, 20, 1.0)), 0, 10.0, 20.0, 0.99, None
)


class World:
    """Two groups that a planner sizes, and the minutes that pass."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.minute = fleet, 0
        for name in ("spot", "on-demand"):
            fleet.group(name, MaxSize=20)
        fleet.group("gateway", MaxSize=4, DesiredCapacity=1)
        fleet.aws.tick(2)
        aws = fleet.aws
        self.clients = cloud.Clients(*(aws.client(name) for name in cloud.NAMES))
        self.clients.s3.create_bucket(Bucket="models")
        self.queue = self.clients.sqs.create_queue(QueueName="interruptions")["QueueUrl"]
        self.activate("v1")
        self.settings = Settings("dev", "models", self.queue, "gateway", (PLANNED,))

    def activate(self, version: str, candidate: str | None = None, model: str = "m") -> None:
        document = {
            "current": {"version": version, "manifest_sha256": "0" * 64},
            "previous": None,
            "candidate": {"version": candidate, "manifest_sha256": "1" * 64} if candidate else None,
            "wave_percent": 10 if candidate else 0,
        }
        self.clients.s3.put_object(Bucket="models", Key=contract.pointer_key(model), Body=json.dumps(document).encode())

    def now(self) -> float:
        return float(START + 60 * self.minute)

    def ask(self, replicas: float, late: float = 0.0, model: str = "m") -> None:
        """What gateways publish for the minute that ends now."""
        values = {
            contract.METRIC_OFFERED_TOKENS: replicas * 10.0 * 60,
            contract.METRIC_WAITING_TOKENS: 0.0,
            contract.METRIC_ANSWERED_REQUESTS: 100.0,
            contract.METRIC_LATE_REQUESTS: late,
        }
        data = [
            {
                "MetricName": name,
                "Dimensions": contract.model_dimensions("dev", model),
                "Value": value,
                "Timestamp": datetime.fromtimestamp(self.now() - 60, UTC),
            }
            for name, value in values.items()
        ]
        self.clients.cloudwatch.put_metric_data(Namespace=contract.NAMESPACE_WARMFLEET, MetricData=data)

    def plan(self, replicas: float | None) -> dict[str, Any]:
        """A minute passes with this demand, and the planner runs."""
        self.minute += 1
        if replicas is not None:
            self.ask(replicas)
        done: dict[str, Any] = run(self.settings, self.clients, self.now())["m"]
        return done

    def desired(self, group: str) -> int:
        return int(self.fleet.described(group)["DesiredCapacity"])

    def state(self) -> Any:
        return cloud.read_json(self.clients.s3, "models", contract.scaling_state_key("m"))[0]

    def control(self, **document: Any) -> None:
        key = contract.scaling_control_key("m")
        self.clients.s3.put_object(Bucket="models", Key=key, Body=json.dumps(document).encode())


def settled(world: World, replicas: float, minutes: int = 6) -> None:
    for _ in range(minutes):
        world.plan(replicas)
        world.fleet.aws.tick(3)


def notice(world: World, instance: str) -> None:
    event = {"detail-type": "EC2 Spot Instance Interruption Warning", "detail": {"instance-id": instance}}
    world.clients.sqs.send_message(QueueUrl=world.queue, MessageBody=json.dumps(event))
