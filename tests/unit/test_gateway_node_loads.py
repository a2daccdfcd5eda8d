"""What a gateway tells of its nodes' loads: their own figures, at least what it has there itself, by model."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from inference_service import contract
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.node_loads import in_flight, report


def fleet() -> Fleet:
    made = Fleet(lambda: 0.0)
    made.found(
        [FoundNode(name, "127.0.0.1", "z", "spot", model) for name, model in (("i-1", "a"), ("i-2", "b"), ("i-3", "a"))]
    )
    for name, model in (("i-1", "a"), ("i-2", "b")):
        given = {"state": contract.STATE_READY, "instance_id": name, "model": model, "in_flight": 2}
        made.reported(name, given)
    return made


def test_a_node_that_has_not_reported_is_not_told_as_idle() -> None:
    made = fleet()
    made.in_flight["i-1"] += 1  # since its report
    assert in_flight(made, "a") == {"i-1": 3}
    assert in_flight(made, "b") == {"i-2": 2}


async def test_each_model_has_an_object_and_an_s3_that_fails_ends_nothing() -> None:
    sent: list[tuple[str, Any]] = []

    def put(key: str, body: bytes) -> None:
        sent.append((key, json.loads(body)))
        if len(sent) == 1:
            raise OSError("no route")
        if len(sent) == 4:
            raise SystemExit  # ends the endless loop

    clock = SimpleNamespace(now=lambda: 7.0)
    with pytest.raises(SystemExit):
        await report(fleet(), ["a", "b"], put, "g", 0.001, clock.now)
    assert [key for key, _ in sent] == ["loads/a/g.json", "loads/a/g.json", "loads/b/g.json", "loads/a/g.json"]
    assert sent[2][1] == {"at": 7.0, "in_flight": {"i-2": 2}}
