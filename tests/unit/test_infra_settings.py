"""Limits and shapes of settings; what a whole stack file's mistakes look like is held in tests/stacks."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings import Model, Polls, SettingsError, StackSettings, Vllm, parse

MODEL = {"name": "llama", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-4000-8000-000000000000"
ACCOUNTS = '["123456789012"]'


def parsed(model: dict[str, Any] | None = None, **changes: str) -> StackSettings:
    given = {"models": json.dumps([MODEL | (model or {})]), **changes}
    aws = {"aws:region": "eu-central-1", "aws:allowedAccountIds": ACCOUNTS}
    return parse({**aws, **{f"warmfleet:{key}": text for key, text in given.items()}}, "dev")


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
    limits = {"most_spot_nodes": 1000, "most_on_demand_nodes": 1000}
    room = {key: most for key, most in limits.items() if key != name}
    for right in (least, most):
        assert getattr(parsed({**room, name: right}).models[0], name) == right
    assert mistake({**room, "initial_nodes": 1, name: least - 1}).endswith(f"must be at least {least}")
    assert mistake({**room, "initial_nodes": 1, name: most + 1}).endswith(f"must be at most {most:g}")


@pytest.mark.parametrize("name", list(Polls.model_fields))
def test_polls_are_fractions_of_a_second_to_minutes(name: str) -> None:
    for right in (0.05, 300):
        assert getattr(parsed(poll_seconds=json.dumps({name: right})).poll_seconds, name) == right
    for wrong, said in ((0, "must be at least 0.05"), (300.5, "must be at most 300"), ("5s", "must be a valid number")):
        assert mistake(poll_seconds=json.dumps({name: wrong})).startswith(f"poll_seconds.{name} is {wrong!r}; {said}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"certificate_arn": CERTIFICATE, "gateway_port": "80"}, "gateway_port is '80'; is where HTTP is led to HTTPS"),
        ({"vpc_id": "vpc-0123456789abcdef0"}, "subnet_ids is (); must name at least 2 private subnets"),
        ({"subnet_ids": '["subnet-0123456789abcdef0"]'}, "subnet_ids is ['subnet-0123456789abcdef0']; belong to"),
        ({"allowed_cidrs": '["10.0.0.0/8", "10.1.0.0/16"]'}, "overlap: 10.1.0.0/16 lies inside 10.0.0.0/8; take"),
        ({"log_retention_days": "100"}, "log_retention_days is '100'; is none that CloudWatch Logs takes; the nearest"),
        ({"max_hourly_usd": "1"}, "max_hourly_usd is 1; every group full would cost $"),
        ({"connection": "telnet"}, "connection is 'telnet'; must be 'ssm' or 'ssh'"),
        ({"connection": "ssh"}, "ssh_key_name is ''; must name the EC2 key pair of whoever runs Ansible"),
        ({"ssh_key_name": "mine"}, "ssh_key_name is 'mine'; is for ssh, and connection is ssm; take it out"),
        ({"ssh_security_group_id": "sg-0123456789abcdef0"}, "ssh_security_group_id is 'sg-0123456789abcdef0'; is for"),
        ({"zones": "1"}, "zones is '1'; must be at least 2"),
        ({"egress": "vpn"}, "egress is 'vpn'; must be 'nat', 'nat_per_zone' or 'interface_endpoints'"),
    ],
)
def test_settings_that_contradict_each_other_or_aws_are_refused(changes: dict[str, str], said: str) -> None:
    assert said in mistake(**changes)


@pytest.mark.parametrize("name", ["on_demand_base_nodes", "warm_pool_nodes"])
def test_on_demand_nodes_need_room_in_the_on_demand_group(name: str) -> None:
    """A warm pool belongs to the on-demand group: AWS has none for spot."""
    said = mistake({name: 1, "most_on_demand_nodes": 0})
    assert (
        said == f"models[0].{name} is 1; must be at most most_on_demand_nodes, which is 0; lower it, or raise the other"
    )


def test_a_certificate_brings_https_on_its_own_port() -> None:
    assert parsed().listener_port == 80
    assert parsed(certificate_arn=CERTIFICATE).listener_port == 443


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
    assert parsed(deletion_protection="true").deletion_protection is True
    assert parsed(deletion_protection="false").deletion_protection is False
    assert mistake(deletion_protection=word) == f"deletion_protection is '{word}'; must be true or false"


def test_the_shape_that_a_setting_needs_is_named() -> None:
    assert mistake(allowed_cidrs="10.0.0.0/8") == "allowed_cidrs is '10.0.0.0/8'; must be a list"
    assert mistake(models="[5]") == "models[0] is 5; must be a mapping"
    assert mistake({"vllm": "fast"}) == "models[0].vllm is 'fast'; must be a mapping"


def test_the_types_of_one_model_are_all_checked() -> None:
    assert "c7g.xlarge" in mistake({"instance_types": ["c7i.xlarge", "c7g.xlarge"]})
    said = mistake({"engine": "vllm", "gpu_memory_gib": 10, "instance_types": ["g5.xlarge", "m7i.xlarge"]})
    assert said.startswith("models[0].instance_types: engine vllm needs NVIDIA GPUs, which m7i.xlarge has not")


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    settings = parsed()
    with pytest.raises(ValidationError, match="frozen"):
        settings.gateway_nodes = 0
    with pytest.raises(ValidationError, match="frozen"):
        settings.models[0].slots = 0


@pytest.mark.parametrize(("listener", "gateways"), [(0, 8080), (80, 8080), (443, 8080), (1024, 1024), (9000, 9000)])
def test_gateways_have_the_listeners_port_unless_it_needs_root(listener: int, gateways: int) -> None:
    assert parsed(gateway_port=str(listener)).gateway_instance_port == gateways
