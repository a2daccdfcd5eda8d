"""The first boot of a gateway: the real service bundle, from the local AWS, verified, and its playbook applied."""

import subprocess

import pytest

from inference_service import contract
from inference_service.gateway.settings import read_settings as gateway_settings
from inference_service.node.settings import read_settings as node_settings
from infra.user_data import Boot
from infra.variables import gateway_variables, node_variables
from tests.aws.first_boot.cases import NEEDS, OBJECTS, SETTINGS
from tests.aws.first_boot.door import SIGNED, Door
from tests.aws.first_boot.machine import BUCKET, PLACES, Machine

pytestmark = NEEDS


@pytest.fixture(scope="module")
def booted(machine: Machine, boot: Boot) -> "subprocess.CompletedProcess[str]":
    """What the first boot said; `machine` has had it."""
    done = machine.boot(boot)
    assert done.returncode == 0, done.stderr
    return done


def test_the_verified_bundle_is_unpacked_where_the_roles_look_for_it(
    machine: Machine, boot: Boot, booted: object
) -> None:
    bundle = machine.bundles / boot.variables[contract.VAR_SERVICE_VERSION]
    assert [path.name for path in machine.bundles.iterdir()] == [bundle.name]  # and nothing half-done
    assert {path.name for path in bundle.iterdir()} == {"ansible", "requirements", "wheels"}
    assert bundle.stat().st_mode & 0o777 == 0o755
    assert not list(machine.bundles.parent.glob(".first-boot-*"))


def test_the_playbook_is_applied_by_the_bundles_own_ansible_core(machine: Machine, boot: Boot, booted: object) -> None:
    (play,) = [words for words in machine.calls() if words[1:3] == ["-m", "ansible"]]
    assert play[3:5] == ["playbook", "boot.yml"]
    variables = dict(word.split("=") for word in play[-1].split())
    assert variables.pop("ansible_python_interpreter") == machine.places.python
    assert variables == {
        "service_role": "gateway",
        "service_version": boot.variables[contract.VAR_SERVICE_VERSION],
        "inference_node_engine": "none",
        "baseline_connection": "ssm",
    }


def test_the_service_is_started_when_its_settings_are_there(machine: Machine, booted: object) -> None:
    assert machine.calls_of("systemctl") == [["systemctl", "start", "--no-block", "warmfleet-gateway.service"]]
    assert machine.environment_file.stat().st_mode & 0o777 == 0o644  # the service is not root


def test_s3_would_accept_each_signature(machine: Machine, door: Door, booted: object) -> None:
    fetched = [asked for asked in door.asked if asked.path.startswith(f"/{BUCKET}/")]
    assert [asked.path.rpartition("/")[2] for asked in fetched] == list(OBJECTS)
    for asked in fetched:
        assert asked.signed() >= SIGNED | {name for name in asked.headers if name.startswith("x-amz-")}
        assert asked.headers["authorization"] == asked.authorization(machine.credentials(), SETTINGS.region)


def test_no_credential_is_in_a_command_line_a_file_or_the_output(
    machine: Machine, booted: "subprocess.CompletedProcess[str]"
) -> None:
    files = [machine.environment_file, machine.root / "calls"]
    seen = booted.stdout + booted.stderr + "".join(path.read_text() for path in files)
    keys = machine.credentials()
    assert machine.calls_of("curl")
    assert not [name for name in ("AccessKeyId", "SecretAccessKey", "Token") if keys[name] in seen]
    assert "metadata-token:" not in seen


def test_a_second_boot_fetches_nothing_and_leaves_all_as_it_was(
    machine: Machine, boot: Boot, door: Door, booted: object
) -> None:
    before, asked = machine.environment_file.read_bytes(), len(door.asked)
    (bundle,) = machine.bundles.iterdir()
    inode = bundle.stat().st_ino
    assert machine.boot(boot).returncode == 0
    assert (machine.environment_file.read_bytes(), len(door.asked)) == (before, asked)
    assert [path.stat().st_ino for path in machine.bundles.iterdir()] == [inode]


def test_an_image_that_was_baked_of_this_bundle_only_gets_its_settings(fresh: Machine, boot: Boot, door: Door) -> None:
    asked = len(door.asked)
    fresh.configured.parent.mkdir(parents=True)
    fresh.configured.write_text(f"gateway none {boot.variables[contract.VAR_SERVICE_VERSION]} ssm\n")
    done = fresh.boot(boot)
    assert done.returncode == 0, done.stderr
    assert (len(door.asked), list(fresh.bundles.iterdir())) == (asked, [])
    assert [words[0] for words in fresh.calls()] == ["systemctl"]
    assert fresh.environment_file.exists()


def test_an_image_of_another_bundle_is_configured_anew(fresh: Machine, boot: Boot) -> None:
    fresh.configured.parent.mkdir(parents=True)
    fresh.configured.write_text(f"node llama.cpp {boot.variables[contract.VAR_SERVICE_VERSION]} ssm\n")
    assert fresh.boot(boot).returncode == 0
    assert [words for words in fresh.calls() if words[1:3] == ["-m", "ansible"]]


def test_both_services_accept_the_variables_that_the_program_gives_them() -> None:
    for model in SETTINGS.models:
        settings = node_settings(node_variables(SETTINGS, model, PLACES, "0" * 64))
        assert (settings.model, settings.engine, settings.bucket) == (model.name, model.engine, BUCKET)
        assert settings.vllm.extra_arguments == model.vllm.extra_arguments
    gateway = gateway_settings(gateway_variables(SETTINGS, PLACES, "0" * 64))
    assert (gateway.models, gateway.port) == (("small", "large"), SETTINGS.gateway_instance_port)
    assert gateway.drain_seconds == SETTINGS.gateway_drain_seconds
