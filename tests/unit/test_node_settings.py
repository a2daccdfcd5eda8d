"""The environment that a node is started with."""

from pathlib import Path

import pytest

from inference_service import contract
from inference_service.node.settings import METADATA_ENDPOINT, SettingsError, read_settings

LEAST = {
    contract.VAR_ENVIRONMENT: "local",
    contract.VAR_REGION: "us-east-1",
    contract.VAR_BUCKET: "bucket",
    contract.VAR_MODEL: "smollm2",
    contract.VAR_ENGINE: "llama.cpp",
}


def test_every_variable_reaches_its_setting():
    settings = read_settings(
        LEAST
        | {
            contract.VAR_BIND_ADDRESS: "127.1.2.3",
            contract.VAR_NODE_PORT: "9000",
            contract.VAR_DATA_DIR: "/data",
            contract.VAR_CONTEXT_TOKENS: "2048",
            contract.VAR_SLOTS: "2",
            contract.VAR_QUEUE: "0",
            contract.VAR_LAUNCH_HOOK: "launch",
            contract.VAR_TERMINATE_HOOK: "terminate",
            contract.VAR_DRAIN_SECONDS: "0.5",
            contract.VAR_POINTER_POLL_SECONDS: "1",
            contract.VAR_METADATA_POLL_SECONDS: "2.5",
            contract.VAR_VLLM: '{"tensor_parallel_size": 2, "extra_arguments": ["--enforce-eager"]}',
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/x/",
        }
    )
    assert (settings.bind_address, settings.port, settings.data_dir) == ("127.1.2.3", 9000, Path("/data"))
    assert (settings.context_tokens, settings.slots, settings.queue) == (2048, 2, 0)
    assert (settings.launch_hook, settings.terminate_hook, settings.drain_seconds) == ("launch", "terminate", 0.5)
    assert (settings.pointer_poll_seconds, settings.metadata_poll_seconds) == (1, 2.5)
    assert (settings.vllm.tensor_parallel_size, settings.vllm.extra_arguments) == (2, ("--enforce-eager",))
    assert settings.metadata_endpoint == "http://127.0.0.1:1/x"


def test_the_stub_is_never_a_default():
    with pytest.raises(SettingsError, match=f"{contract.VAR_ENGINE} is missing"):
        read_settings({name: value for name, value in LEAST.items() if name != contract.VAR_ENGINE})


def test_every_mistake_is_named_at_once_with_its_value():
    wrong = {
        contract.VAR_ENGINE: "tgi",
        contract.VAR_SLOTS: "0",
        contract.VAR_NODE_PORT: "70000",
        contract.VAR_POINTER_POLL_SECONDS: "0",
        contract.VAR_DRAIN_SECONDS: "nan",
        contract.VAR_VLLM: '{"tensor_parallel_size": "2"}',
    }
    with pytest.raises(SettingsError) as refused:
        read_settings({contract.VAR_REGION: "r"} | wrong)
    text = str(refused.value)
    assert all(f"{name}={value!r}" in text for name, value in wrong.items())
    assert f"{contract.VAR_BUCKET} is missing" in text


def test_metadata_is_at_its_real_address_unless_the_sdks_own_variables_say_otherwise():
    assert read_settings(LEAST).metadata_endpoint == METADATA_ENDPOINT
    assert read_settings(LEAST | {"AWS_EC2_METADATA_DISABLED": "true"}).metadata_endpoint is None


def test_an_engines_child_process_gets_no_aws_credentials():
    given = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y"}
    assert read_settings(LEAST | given).child_environment == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"}
