"""`warmfleet models` as processes against moto's S3 and Auto Scaling, reached through the user's own environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_checkout import OUTPUTS, Checkout

GGUF = b"GGUF" + bytes(60)


def desired(groups: Any) -> dict[str, int]:
    found = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    return {group["AutoScalingGroupName"]: group["DesiredCapacity"] for group in found}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(GGUF)
    return path


def test_publish_activate_and_roll_back_with_a_fleet_that_is_woken_once(
    checkout: Checkout,
    aws: dict[str, str],
    stack: Any,
    gateway: Any,
    weights: Path,
    json_of: Callable[[Any], Any],
) -> None:
    def models(*arguments: str) -> Any:
        return json_of(checkout.run("models", *arguments, "--stack", "dev", "--json", **aws))

    first = models("publish", "tiny", str(weights))
    assert first["created"] is True
    assert models("publish", "tiny", str(weights))["created"] is False

    activated = models("activate", "tiny", first["version"])
    assert activated["woken"] == [{"group": "tiny-spot", "nodes": 2}]
    assert desired(stack) == {"tiny-spot": 2, "tiny-on-demand": 0}

    weights.write_bytes(GGUF + b"second")
    models("publish", "tiny", str(weights), "--version", "two")
    second = models("activate", "tiny", "two")
    assert (second["current"], second["previous"], second["woken"]) == ("two", first["version"], [])
    assert second["waves"] == []  # no node serves yet

    states = {each["version"]: each["state"] for each in models("list")["models"][0]["versions"]}
    assert states == {"two": "active", first["version"]: "previous"}
    assert models("rollback", "tiny")["current"] == first["version"]


def test_the_promoter_role_is_needed_to_say_what_is_served_and_for_nothing_else(
    checkout: Checkout, aws: dict[str, str], stack: Any, weights: Path
) -> None:
    checkout.outputs(promoterRoleArn="arn:aws:iam::123456789012:role/promoter")
    deaf = aws | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}

    def models(*arguments: str, **environ: str) -> int:
        return checkout.run("models", *arguments, "--stack", "dev", **environ).returncode

    assert models("publish", "tiny", str(weights), "--version", "one", **deaf) == 0
    assert models("list", **deaf) == 0
    assert models("activate", "tiny", "one", **deaf) == 1
    assert models("activate", "tiny", "one", **aws) == 0
    assert models("rollback", "tiny", **deaf) == 1


def test_an_altered_manifest_is_listed_with_what_is_wrong_and_hides_no_other_version(
    checkout: Checkout, aws: dict[str, str], stack: Any, client: Callable[[str], Any], json_of: Callable[..., Any]
) -> None:
    for version in ("good", "bad"):
        weights = checkout.root / f"{version}.gguf"
        weights.write_bytes(GGUF + version.encode())
        arguments = ("models", "publish", "tiny", str(weights), "--version", version, "--stack", "dev", "--json")
        json_of(checkout.run(*arguments, **aws))
    client("s3").put_object(Bucket=OUTPUTS["bucketName"], Key="models/tiny/bad/manifest.json", Body=b"{")
    (model,) = json_of(checkout.run("models", "list", "--stack", "dev", "--json", **aws))["models"]
    problems = {each["version"]: each["problem"] for each in model["versions"]}
    assert problems["good"] is None
    assert "models/tiny/bad/manifest.json" in problems["bad"]


def test_an_unknown_version_and_a_format_with_code_are_refused_in_one_line(
    checkout: Checkout, aws: dict[str, str], stack: Any, tmp_path: Path
) -> None:
    unknown = checkout.run("models", "activate", "tiny", "nine", "--stack", "dev", **aws)
    assert unknown.returncode == 1
    assert "tiny has no version nine in bucket models-bucket" in unknown.stderr
    assert desired(stack) == {"tiny-spot": 0, "tiny-on-demand": 0}

    (tmp_path / "m.bin").write_bytes(b"pickle")
    code = checkout.run("models", "publish", "tiny", str(tmp_path / "m.bin"), "--stack", "dev", **aws)
    assert code.returncode == 64
    assert "may carry code" in code.stderr
    assert "Traceback" not in unknown.stderr + code.stderr


def test_a_model_that_no_fleet_serves_is_not_activated(
    checkout: Checkout, aws: dict[str, str], stack: Any, weights: Path
) -> None:
    checkout.run("models", "publish", "other", str(weights), "--version", "one", "--stack", "dev", **aws)
    done = checkout.run("models", "activate", "other", "one", "--stack", "dev", **aws)
    assert done.returncode == 64
    assert "'other' is not in this stack" in done.stderr


def test_status_says_in_words_what_a_new_stack_lacks(
    checkout: Checkout, aws: dict[str, str], stack: Any, json_of: Callable[[Any], Any]
) -> None:
    document = json_of(checkout.run("status", "--stack", "dev", "--json", **aws))
    missing = " / ".join(document["fleets"][0]["missing"])
    assert "the gateway gives no report: no gateway answers at http://127.0.0.1:9" in missing
    assert "no version of tiny is active" in missing
    assert "all groups of tiny are at 0" in missing
    assert [group["market"] for group in document["fleets"][0]["groups"]] == ["spot", "on-demand"]
    plain = checkout.run("status", "--stack", "dev", **aws)
    assert plain.returncode == 0
    assert "tiny-spot" in plain.stdout


def test_a_silent_aws_is_one_clear_line(checkout: Checkout, aws: dict[str, str]) -> None:
    nowhere = aws | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = checkout.run("status", "--stack", "dev", **nowhere)
    assert done.returncode == 1
    assert "AWS does not answer" in done.stderr
    assert "Traceback" not in done.stderr
