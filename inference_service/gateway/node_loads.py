"""How busy each node is, for whoever takes nodes away: one object in S3 for each gateway and model, written anew each
minute.

An object costs the same for three nodes and for two thousand; a CloudWatch metric or a call to Auto Scaling for each
node would not.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from inference_service import contract
from inference_service.gateway.demand import seconds_until_report
from inference_service.gateway.fleet import Fleet


def in_flight(fleet: Fleet, model: str) -> dict[str, int]:
    """Requests and jobs by instance id: the node's own last figure, at least what this gateway has there."""
    return {
        instance_id: view.others_in_flight + fleet.in_flight[instance_id]
        for instance_id, view in fleet.nodes.items()
        if view.found.model == model and view.report is not None
    }


async def report(
    fleet: Fleet,
    models: Sequence[str],
    put: Callable[[str, bytes], Any],
    gateway: str,
    seconds: float,
    now: Callable[[], float] = time.time,
) -> None:
    """Write each model's object, for ever; `put` blocks. What S3 does not take is lost; the next one comes soon."""
    log, failing = structlog.get_logger(), False
    while True:
        await asyncio.sleep(seconds_until_report(now(), seconds))
        try:
            for model in models:
                document = {"at": now(), "in_flight": in_flight(fleet, model)}
                await asyncio.to_thread(put, contract.node_loads_key(model, gateway), json.dumps(document).encode())
            failing = False
        except Exception as error:  # AWS's, or a surprise of its SDK: neither may end the gateway
            if not failing:
                log.warning("S3 does not take the nodes' loads; scale-in goes by their templates", error=str(error))
            failing = True
