"""Limits and shapes of settings; what a whole stack file's mistakes look like is held in tests/stacks."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings import Model, SettingsError, StackSettings, Vllm, parse

MODEL = {"name": "llama", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]}
POLLS = [name for name in StackSettings.model_fields if name.endswith("_poll_seconds")]


def parsed(model: dict[str, Any] | None = None, **changes: str) -> StackSettings:
    given = {"models": json.dumps([MODEL | (model or {})]), **changes}
    return parse({"aws:region": "eu-central-1", **{f"warmfleet:{key}": text for key, text in given.items()}}, "dev")


def mistake(model: dict[str, Any] | None = None, **changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parsed(model, **changes)
    (line,) = str(caught.value).splitlines()[1:]
    return line.strip()


def bounds(settings: type[Any]) -> list[tuple[str, int, int]]:
    """(name, least, most) of each setting that is a whole number."""
    properties = settings.model_json_schema()["properties"]
    whole = {name: each for name, each in properties.items() if each.get("type") == "integer"}
    return [(name, each.get("minimum", 1), each.get("maximum", 0)) for name, each in whole.items()]


def test_every_whole_number_has_both_limits() -> None:
    """An absurd number should fail here, not in AWS after minutes."""
    for settings in (StackSettings, Model, Vllm):
        assert [name for name, least, most in bounds(settings) if least >= most] == []
        assert bounds(settings) != []


@pytest.mark.parametrize(("name", "least", "most"), bounds(StackSettings))
def test_a_stacks_numbers_hold_at_their_limits_and_not_beyond(name: str, least: int, most: int) -> None:
    for right in (least, most):
        assert getattr(parsed(**{name: str(right)}), name) == right
    assert mistake(**{name: str(least - 1)}) == f"{name} is '{least - 1}'; must be at least {least}"
    assert mistake(**{name: str(most + 1)}) == f"{name} is '{most + 1}'; must be at most {most}"


@pytest.mark.parametrize(("name", "least", "most"), bounds(Model))
def test_a_models_numbers_hold_at_their_limits_and_not_beyond(name: str, least: int, most: int) -> None:
    room = {} if name == "most_spot_nodes" else {"most_spot_nodes": 1000}
    for right in (least, most):
        assert getattr(parsed({**room, name: right}).models[0], name) == right
    assert mistake({**room, "initial_nodes": 1, name: least - 1}).endswith(f"must be at least {least}")
    assert mistake({**room, "initial_nodes": 1, name: most + 1}).endswith(f"must be at most {most:g}")


@pytest.mark.parametrize("name", POLLS)
def test_polls_are_fractions_of_a_second_to_minutes(name: str) -> None:
    assert len(POLLS) == 4
    assert getattr(parsed(**{name: "0.05"}), name) == 0.05
    assert getattr(parsed(**{name: "300"}), name) == 300
    assert mistake(**{name: "0"}) == f"{name} is '0'; must be at least 0.05"
    assert mistake(**{name: "300.5"}) == f"{name} is '300.5'; must be at most 300"
    assert mistake(**{name: "inf"}).startswith(f"{name} is 'inf'; must be a finite number")
    assert mistake(**{name: "5s"}).startswith(f"{name} is '5s'; must be a valid number")


@pytest.mark.parametrize(
    ("instance_type", "sibling"),
    [("c7g.xlarge", "c7i"), ("r6g.large", "r6i"), ("t4g.small", "t3"), ("g5g.xlarge", "g5")],
)
def test_an_arm_type_is_refused_with_its_sibling(instance_type: str, sibling: str) -> None:
    said = mistake(gateway_instance_type=instance_type)
    assert said.startswith(f"gateway_instance_type is '{instance_type}'; has an ARM processor")
    assert said.endswith(f"; choose {sibling}, or another Intel or AMD type")


def test_an_arm_type_without_a_known_sibling_is_refused_too() -> None:
    assert mistake({"instance_types": ["im4gn.large"]}).endswith("; choose an Intel or AMD type")


@pytest.mark.parametrize("word", ["yes", "on", "True", "1", ""])
def test_a_switch_takes_the_words_of_pulumis_cli_alone(word: str) -> None:
    assert parsed(delete_models_on_destroy="true").delete_models_on_destroy is True
    assert parsed(delete_models_on_destroy="false").delete_models_on_destroy is False
    assert mistake(delete_models_on_destroy=word) == f"delete_models_on_destroy is '{word}'; must be true or false"


def test_the_shape_that_a_setting_needs_is_named() -> None:
    assert mistake(client_cidrs="10.0.0.0/8") == "client_cidrs is '10.0.0.0/8'; must be a list"
    assert mistake(models="[5]") == "models[0] is 5; must be a mapping"
    assert mistake({"vllm": "fast"}) == "models[0].vllm is 'fast'; must be a mapping"


def test_the_types_of_one_model_are_all_checked() -> None:
    assert "c7g.xlarge" in mistake({"instance_types": ["c7i.xlarge", "c7g.xlarge"]})
    said = mistake({"engine": "vllm", "instance_types": ["g5.xlarge", "m7i.xlarge"]})
    assert said.endswith("; engine vllm needs NVIDIA GPUs, which m7i.xlarge has not; choose g5, g6, g6e, p4d ...")


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    settings = parsed()
    with pytest.raises(ValidationError, match="frozen"):
        settings.gateway_nodes = 0
    with pytest.raises(ValidationError, match="frozen"):
        settings.models[0].slots = 0


@pytest.mark.parametrize(("listener", "gateways"), [(80, 8080), (443, 8080), (1024, 1024), (9000, 9000)])
def test_gateways_have_the_listeners_port_unless_it_needs_root(listener: int, gateways: int) -> None:
    assert parsed(gateway_port=str(listener)).gateway_instance_port == gateways
