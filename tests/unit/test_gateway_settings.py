"""The gateway's settings: defaults, and everything wrong at once."""

import pytest

from inference_service import contract
from inference_service.gateway.settings import GatewaySettings, SettingsError, read_settings

NEEDED = {contract.VAR_ENVIRONMENT: "dev", contract.VAR_REGION: "eu-west-1", contract.VAR_MODELS: "a, b,a,"}


def test_what_is_not_given_has_a_default():
    assert read_settings(NEEDED) == GatewaySettings("dev", "eu-west-1", ("a", "b"))


def test_each_variable_is_read():
    given = {
        contract.VAR_BIND_ADDRESS: "127.5.0.1",
        contract.VAR_GATEWAY_PORT: "0",
        contract.VAR_NODE_PORT: "9000",
        contract.VAR_DISCOVERY_POLL_SECONDS: "3",
        contract.VAR_READINESS_POLL_SECONDS: "0.5",
        contract.VAR_LONGEST_WAIT_SECONDS: "60",
        contract.VAR_DRAIN_SECONDS: "0",
        contract.VAR_API_KEYS_PARAMETER: "keys",
        contract.VAR_API_KEYS_POLL_SECONDS: "1",
        contract.VAR_GATEWAYS: "2",
    }
    settings = read_settings(NEEDED | given)
    assert (settings.bind_address, settings.port, settings.node_port) == ("127.5.0.1", 0, 9000)
    assert (settings.discovery_poll_seconds, settings.readiness_poll_seconds) == (3, 0.5)
    assert (settings.longest_wait_seconds, settings.drain_seconds) == (60, 0)
    assert (settings.api_keys_parameter, settings.api_keys_poll_seconds, settings.gateways) == ("keys", 1, 2)


def test_every_problem_is_told_at_once_with_its_value():
    wrong = {
        contract.VAR_MODELS: " , ",
        contract.VAR_GATEWAY_PORT: "70000",
        contract.VAR_READINESS_POLL_SECONDS: "0",
        contract.VAR_DRAIN_SECONDS: "nan",
    }
    with pytest.raises(SettingsError) as error:
        read_settings({contract.VAR_REGION: "x"} | wrong)
    text = str(error.value)
    assert f"{contract.VAR_ENVIRONMENT} is missing" in text
    assert all(f"{name}={value!r}: " in text for name, value in wrong.items())


def test_a_gateway_that_others_can_reach_needs_a_place_for_keys():
    with pytest.raises(SettingsError, match=f"{contract.VAR_API_KEYS_PARAMETER} is missing"):
        read_settings(NEEDED | {contract.VAR_BIND_ADDRESS: "10.0.0.7"})
