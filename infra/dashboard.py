"""The stack's CloudWatch dashboard as data; every metric in it is named in contract.py. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Sequence
from typing import Any

from inference_service import contract
from infra.alarms import FleetNames, Text

WIDTH, HEIGHT = 8, 6  # three widgets in a row of 24


def body(
    region: str, fleets: Sequence[FleetNames], balancer: Text, targets: Text, planned: str | None
) -> dict[str, Any]:
    """One row for the gateways, then two for each fleet: its nodes, its jobs; and a third where a planner sizes it, of
    the environment `planned`. Names that AWS gives may be outputs.
    """
    rows = [_gateways(balancer, targets), *(row(each) for each in fleets for row in (_nodes, _jobs))]
    rows += [_scaling(planned, each.model) for each in fleets if planned]
    return {
        "widgets": [
            {
                "type": "metric",
                "x": column * WIDTH,
                "y": row * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": {"title": title, "region": region, "period": 60, "metrics": metrics, **more},
            }
            for row, widgets in enumerate(rows)
            for column, (title, metrics, more) in enumerate(widgets)
        ]
    }


Widget = tuple[str, list[list[Any]], dict[str, Any]]


def _gateways(balancer: Text, targets: Text) -> list[Widget]:
    of_balancer = [contract.DIMENSION_BALANCER, balancer]
    of_targets = [*of_balancer, contract.DIMENSION_TARGETS, targets]
    space = contract.NAMESPACE_BALANCER
    return [
        (
            "Requests",
            [
                [space, contract.METRIC_BALANCER_REQUESTS, *of_balancer],
                [space, contract.METRIC_BALANCER_TARGET_5XX, *of_balancer],
            ],
            {"stat": "Sum"},
        ),
        (
            "Seconds to the first byte",
            [
                [space, contract.METRIC_BALANCER_RESPONSE_SECONDS, *of_balancer, {"stat": stat}]
                for stat in ("p50", "p99")
            ],
            {},
        ),
        ("Healthy gateways", [[space, contract.METRIC_TARGETS_HEALTHY, *of_targets]], {"stat": "Minimum"}),
    ]


def _nodes(fleet: FleetNames) -> list[Widget]:
    return [
        (f"{fleet.model}: spot", _group(fleet.spot_group), {"stat": "Average"}),
        (f"{fleet.model}: on-demand", _group(fleet.on_demand_group), {"stat": "Average"}),
    ]


def _scaling(environment: str, model: str) -> list[Widget]:
    of_model = [contract.DIMENSION_ENVIRONMENT, environment, contract.DIMENSION_MODEL, model]

    def lines(*metrics: str) -> list[list[Any]]:
        return [[contract.NAMESPACE_WARMFLEET, metric, *of_model] for metric in metrics]

    wanted = (contract.METRIC_WANTED_SPOT, contract.METRIC_WANTED_ON_DEMAND)
    expected = (contract.METRIC_EXPECTED_DEMAND, contract.METRIC_EXPECTED_READY)
    warm_up = (contract.METRIC_WARM_UP_P50, contract.METRIC_WARM_UP_P90, contract.METRIC_WARM_UP_P99)
    requests = (contract.METRIC_ANSWERED_REQUESTS, contract.METRIC_LATE_REQUESTS)
    return [
        (f"{model}: nodes wanted and expected", lines(*wanted, *expected), {"stat": "Maximum"}),
        (f"{model}: seconds to warm up", lines(*warm_up), {"stat": "Maximum"}),
        (f"{model}: requests, and late ones", lines(*requests), {"stat": "Sum"}),
    ]


def _jobs(fleet: FleetNames) -> list[Widget]:
    flow = (contract.METRIC_QUEUE_SENT, contract.METRIC_QUEUE_DELETED)
    stock = (contract.METRIC_QUEUE_VISIBLE, contract.METRIC_QUEUE_OLDEST_SECONDS)
    return [
        (f"{fleet.model}: jobs submitted, and done", _queue(fleet.jobs_queue, flow), {"stat": "Sum"}),
        (f"{fleet.model}: jobs that wait", _queue(fleet.jobs_queue, stock), {"stat": "Maximum"}),
        (f"{fleet.model}: dead letters", _queue(fleet.dead_letters_queue, stock), {"stat": "Maximum"}),
    ]


def _queue(queue: Text, metrics: Sequence[str]) -> list[list[Any]]:
    return [[contract.NAMESPACE_QUEUES, metric, contract.DIMENSION_QUEUE, queue] for metric in metrics]


def _group(group: Text) -> list[list[Any]]:
    return [[contract.NAMESPACE_GROUPS, metric, contract.DIMENSION_GROUP, group] for metric in contract.GROUP_METRICS]
