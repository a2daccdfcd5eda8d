"""User data of the committed stacks: what bash reads in it is what the local cloud reads, whatever a setting holds."""

import subprocess
from pathlib import Path

import pytest
import yaml

from inference_service import contract
from infra.settings import Model, StackSettings, Vllm
from infra.user_data import MOST_BYTES, Boot, UserDataError, render, render_builder
from infra.variables import Places, gateway_variables, node_variables
from localcloud.user_data import read_variables

ROOT = Path(__file__).parents[2]
VERSION = "0" * 64
QUEUES = "https://sqs.us-east-1.amazonaws.com/123456789012"
NODE_PLACES = Places("models-1", "node-1", f"{QUEUES}/jobs-1", f"{QUEUES}/jobs-dead-1")
GATEWAY_PLACES = Places("models-1", "gateway-1", api_keys_parameter="api-keys-1")
HOSTILE = ("$(touch here)", "`touch here`", "$HOME ${x} \\n \\", 'a "b" c', " spaces  stay ", "#no comment", "*", "é")


def settings(extra_arguments: tuple[str, ...] = ()) -> StackSettings:
    models = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]["warmfleet:models"]
    gpu = Model(
        name="large",
        engine="vllm",
        instance_types=("g6e.12xlarge",),
        gpu_memory_gib=100,
        vllm=Vllm(tensor_parallel_size=4, dtype="bfloat16", extra_arguments=extra_arguments),
    )
    models = (Model(**models[0]), gpu)
    accounts = ("123456789012",)
    return StackSettings(region="us-east-1", allowed_account_ids=accounts, environment="local", models=models)


def boots(given: StackSettings) -> list[Boot]:
    nodes = [Boot(contract.ROLE_NODE, node_variables(given, model, NODE_PLACES, VERSION)) for model in given.models]
    gateway = gateway_variables(given, GATEWAY_PLACES, VERSION)
    return [*nodes, Boot(contract.ROLE_GATEWAY, gateway)]


def read_by_bash(script: str, folder: Path) -> dict[str, str]:
    """The variables of the block, as bash assigns them."""
    lines = script.splitlines()
    first, last = lines.index(contract.VARIABLES_BEGIN), lines.index(contract.VARIABLES_END)
    block = "\n".join(["set -a", *lines[first + 1 : last], "env -0"])
    done = subprocess.run(
        ["bash", "-c", block], env={"PATH": "/usr/bin:/bin"}, cwd=folder, capture_output=True, timeout=20, check=True
    )
    pairs = [entry.partition("=") for entry in done.stdout.decode().split("\0")]
    return {name: value for name, _, value in pairs if name.startswith("WARMFLEET_")}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_a_service_needs_is_read_alike_by_bash_and_the_local_cloud(tmp_path: Path, number: int) -> None:
    boot = boots(settings(HOSTILE))[number]
    script = render(boot)
    assert read_variables(script) == boot.variables
    assert read_by_bash(script, tmp_path) == boot.variables
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_itself_whatever_it_means_to_a_shell(tmp_path: Path, value: str) -> None:
    script = render(Boot(contract.ROLE_NODE, {contract.VAR_MODEL: value}))
    assert read_variables(script) == read_by_bash(script, tmp_path) == {contract.VAR_MODEL: value}
    assert list(tmp_path.iterdir()) == []


def test_each_script_is_a_script_and_fits_into_ec2() -> None:
    given = boots(settings(("--long",) * 40))
    for script in [*map(render, given), *map(render_builder, given)]:
        assert script.startswith("#!/bin/bash\n")  # else cloud-init would not run it
        assert len(script.encode()) < MOST_BYTES
        subprocess.run(["bash", "-n"], input=script.encode(), timeout=20, check=True)


def test_a_builder_of_an_image_bakes_and_never_configures_itself_for_service() -> None:
    script = render_builder(boots(settings())[0])
    assert "apply bake.yml" in script
    assert "boot.yml" not in script
    assert "/etc/warmfleet/service.env" not in script


@pytest.mark.parametrize("value", ["it's", "two\nlines", "\r", "\x00", "\x1b[0m", "\u2028"])
def test_what_cannot_be_quoted_is_refused_with_its_name(value: str) -> None:
    with pytest.raises(UserDataError, match="WARMFLEET_MODEL="):
        render(Boot(contract.ROLE_NODE, {contract.VAR_MODEL: value}))


def test_no_setting_can_hold_what_cannot_be_quoted() -> None:
    """Else the stack's mistake would be found only while the stack is built."""
    for value in ("it's", "two\nlines"):
        with pytest.raises(ValueError, match="extra_arguments"):
            settings((value,))


def test_a_script_above_ec2s_limit_is_refused_and_names_the_longest_value() -> None:
    with pytest.raises(UserDataError, match=rf"above EC2's {MOST_BYTES}; the longest value is WARMFLEET_VLLM"):
        render(Boot(contract.ROLE_NODE, {contract.VAR_VLLM: "x" * MOST_BYTES, contract.VAR_MODEL: "m"}))
