"""Mistakes in a stack file: all of them at once, before anything is made."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from infra import configuration
from infra.settings import SettingsError, StackSettings, parse
from tests.stacks.program import ROOT, config_of, project, stack_settings

LOCAL = ROOT / "Pulumi.local.yaml"
MODEL = {"name": "llama", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]}


def config(**changes: Any) -> dict[str, str]:
    given = {"models": [MODEL], **changes}
    texts = {f"warmfleet:{key}": text if isinstance(text, str) else json.dumps(text) for key, text in given.items()}
    return {"aws:region": "eu-central-1", "aws:allowedAccountIds": '["123456789012"]', **texts}


def mistakes(given: dict[str, str], stack: str = "dev") -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse(given, stack)
    return [line.strip() for line in str(caught.value).splitlines()]


def test_three_mistakes_are_one_message_with_value_limit_and_file() -> None:
    wrong = config(models=[{**MODEL, "slots": 0}], gateway_port=99999, node_drain_seconds=300)
    assert mistakes(wrong, "staging") == [
        "3 mistakes in Pulumi.staging.yaml; nothing was changed:",
        "models[0].slots is 0; must be at least 1",
        "gateway_port is '99999'; must be at most 65535",
        "node_drain_seconds is '300'; must be at most 105",
    ]


def test_pulumi_shows_the_message_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.config.CONFIG", SimpleNamespace(get=lambda: config(gateway_port=99999)))
    monkeypatch.setattr("pulumi.get_stack", lambda: "dev")
    with pytest.raises(pulumi.RunError, match="gateway_port is '99999'; must be at most 65535"):
        configuration.read()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gatway_nodes": 2}, "gatway_nodes is no setting; did you mean gateway_nodes?"),
        ({"models": [{**MODEL, "slotz": 2}]}, "models[0].slotz is no setting; did you mean slots?"),
        ({"models": [{**MODEL, "vllm": {"dtyp": "x"}}]}, "models[0].vllm.dtyp is no setting; did you mean dtype?"),
        ({"models": []}, "models is []; must have at least 1"),
        ({"models": [{**MODEL, "name": "Llama 3"}]}, "models[0].name is 'Llama 3'; must match"),
        ({"models": [MODEL, MODEL]}, "models: the name 'llama' stands there twice"),
        (
            {"models": [{**MODEL, "instance_types": ["c7i.xlarge"] * 2}]},
            "must name each instance type once; c7i.xlarge",
        ),
        (
            {"models": [{**MODEL, "instance_types": ["c7g.xlarge"]}]},
            "[0].instance_types[0] is 'c7g.xlarge'; has an ARM",
        ),
        (
            {"models": [{**MODEL, "instance_types": ["g5.xlarge"]}]},
            "g5.xlarge",
        ),
        (
            {"models": [{**MODEL, "engine": "vllm", "gpu_memory_gib": 10}]},
            "engine vllm needs NVIDIA GPUs, which c7i.xlarge has not",
        ),
        ({"models": [{**MODEL, "engine": "stub"}]}, "models[0].engine is 'stub'; must be 'llama.cpp' or 'vllm'"),
        ({"models": [{**MODEL, "initial_nodes": 9}]}, "must be at most most_spot_nodes, which is 4"),
        ({"models": "[{"}, "models is '[{'"),
        ({"allowed_cidrs": ["0.0.0.0/0"]}, "allowed_cidrs[0] is '0.0.0.0/0'; must be a private range"),
        ({"vpc_cidr": "10.0.0.0/8"}, "vpc_cidr is '10.0.0.0/8'; must be a range from /16 to /22"),
        ({"vpc_cidr": "here"}, "vpc_cidr is 'here'; "),
        ({"gateway_nodes": "two"}, "gateway_nodes is 'two'; must be a valid integer"),
        ({"poll_seconds": {"readiness": -1}}, "poll_seconds.readiness is -1; must be at least 0.05"),
        ({"environment": "prod"}, "environment is no setting"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_would_be_right(changes: dict[str, Any], said: str) -> None:
    (first, *others) = mistakes(config(**changes))
    assert first == "1 mistake in Pulumi.dev.yaml; nothing was changed:"
    assert len(others) == 1
    assert said in others[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda given: given.pop("aws:region"), "aws:region is missing; give it"),
        (lambda given: given.update({"aws:region": "cn-north-1"}), "aws:region is 'cn-north-1'; is in China"),
        (lambda given: given.pop("warmfleet:models"), "models is missing; give it"),
        (
            lambda given: given.update({"aws:allowedAccountIds": "[1]"}),
            "aws:allowedAccountIds[0] is 1; must be text; put",
        ),
        (lambda given: given.pop("aws:allowedAccountIds"), "aws:allowedAccountIds is missing; give it"),
        (lambda given: given.update({"aws:profile": "x"}), "aws:profile has no effect"),
    ],
)
def test_pulumis_own_settings_are_checked_too(change: Callable[[dict[str, str]], object], said: str) -> None:
    given = config()
    change(given)
    assert any(said in line for line in mistakes(given))


@pytest.mark.parametrize("instance_type", ["g5g.xlarge", "t4g.small", "im4gn.large", "a1.large", "p6e-gb200.36xlarge"])
def test_types_with_arm_processors_are_refused(instance_type: str) -> None:
    wrong = mistakes(config(gateway_instance_type=instance_type))
    assert "the service bundle is for x86-64" in wrong[1]


@pytest.mark.parametrize(
    ("instance_type", "gpus"),
    [("g4dn.xlarge", 1), ("g6e.48xlarge", 8), ("gr6.4xlarge", 1), ("p5en.48xlarge", 8), ("p6-b200.48xlarge", 8)],
)
def test_types_with_nvidia_gpus_fit_vllm(instance_type: str, gpus: int) -> None:
    given = {"engine": "vllm", "gpu_memory_gib": 10, "instance_types": [instance_type]}
    fleet = {**MODEL, **given, "vllm": {"tensor_parallel_size": gpus}}
    assert parse(config(models=[fleet]), "dev").models[0].instance_types == (instance_type,)


def test_the_projects_schema_and_the_settings_agree_on_names_and_defaults() -> None:
    schema = project()["config"]
    assert set(schema) == set(StackSettings.model_fields) - {"region", "environment", "allowed_account_ids"}
    only_required = parse(config(), "dev").model_dump(mode="json")
    with_defaults = parse(config(**{key: each["default"] for key, each in schema.items() if "default" in each}), "dev")
    assert with_defaults.model_dump(mode="json") == only_required
    assert [key for key, each in schema.items() if "default" not in each] == ["models"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: str(path.name))
def test_every_committed_stack_file_is_right(path: Path) -> None:
    assert stack_settings(path).environment == path.stem.removeprefix("Pulumi.")


def test_every_setting_of_the_local_stack_differs_from_its_default() -> None:
    """A line that repeats a default only has to be kept equal to it."""
    given = stack_settings(LOCAL)
    default = {name: each.default for name, each in StackSettings.model_fields.items()}
    names = [key.removeprefix("warmfleet:") for key in config_of(LOCAL) if key.startswith("warmfleet:")]
    explicit = [name for name in names if f"warmfleet:{name}:" in LOCAL.read_text()]
    assert [name for name in explicit if getattr(given, name) == default[name]] == []
