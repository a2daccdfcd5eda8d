"""`warmfleet models activate` where a node serves already, as processes against moto and a played gateway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli_checkout import OUTPUTS, Checkout
from played_gateway import Gateway

from inference_service import contract
from inference_service.artifacts import VersionRef, place

GGUF = b"GGUF" + bytes(60)


def test_where_a_node_serves_an_activation_goes_by_waves_one_version_at_a_time(
    checkout: Checkout,
    aws: dict[str, str],
    stack: Any,
    gateway: type[Gateway],
    client: Callable[[str], Any],
    tmp_path: Path,
    json_of: Callable[[Any], Any],
) -> None:
    def models(*arguments: str) -> Any:
        return checkout.run("models", *arguments, "--stack", "dev", "--json", **aws)

    weights = tmp_path / "m.gguf"
    for version in ("one", "two", "three"):
        weights.write_bytes(GGUF + version.encode())
        json_of(models("publish", "tiny", str(weights), "--version", version))
    json_of(models("activate", "tiny", "one"))

    checkout.outputs(gatewayUrl="http://127.0.0.1:9")
    silent = models("activate", "tiny", "two")
    assert silent.returncode == 1
    assert "whether they serve cannot be seen (no gateway answers" in silent.stderr
    assert gateway.pointer().candidate is None
    checkout.outputs(gatewayUrl=f"http://127.0.0.1:{gateway.port}")

    gateway.warm = True
    done = models("activate", "tiny", "two")
    document = json_of(done)
    assert (document["current"], document["previous"]) == ("two", "one")
    assert [(wave["percent"], wave["nodes"]) for wave in document["waves"]] == [(place("i-1") + 1, ["i-1"])]
    assert "ok   canary: i-1 serves two" in done.stderr

    under_way = gateway.pointer().raised(VersionRef("three", "3" * 64), 25)
    key = contract.pointer_key("tiny")
    client("s3").put_object(Bucket=OUTPUTS["bucketName"], Key=key, Body=under_way.to_json())
    refused = models("activate", "tiny", "one")
    assert refused.returncode == 1
    assert "tiny is rolling out three (25 % of its nodes)" in refused.stderr
    (listed,) = json_of(models("list"))["models"]
    assert (listed["candidate"], listed["wave_percent"]) == ("three", 25)
    assert {each["version"]: each["state"] for each in listed["versions"]} == {
        "one": "previous",
        "two": "active",
        "three": "under way, 25 %",
    }
    assert gateway.pointer() == under_way
    assert json_of(models("activate", "tiny", "two"))["waves"] == []  # the current one: ends the rollout
    assert gateway.pointer().candidate is None
