"""The first boot of a gateway: the real service bundle, from the local AWS, installed and started as systemd would.

tests/unit/test_user_data.py holds the script to its rules with a small bundle.
"""

import subprocess
from pathlib import Path

import pytest

from inference_service import contract
from inference_service.gateway.settings import read_settings as gateway_settings
from inference_service.node.settings import read_settings as node_settings
from infra.user_data import STOP_MARGIN_SECONDS, Boot
from infra.variables import gateway_variables, node_variables
from tests.aws.first_boot.cases import NEEDS, OBJECTS, SETTINGS
from tests.aws.first_boot.door import SIGNED, Door
from tests.aws.first_boot.machine import BUCKET, PLACES, Machine, Unit

pytestmark = NEEDS


@pytest.fixture(scope="module")
def booted(machine: Machine, boot: Boot) -> "subprocess.CompletedProcess[str]":
    """What the first boot said; `machine` has had it."""
    done = machine.boot(boot)
    assert done.returncode == 0, done.stderr
    return done


def test_the_bundle_is_installed_offline_with_hashes_by_its_own_pip(
    machine: Machine, boot: Boot, booted: object
) -> None:
    (install,) = [words for words in machine.calls() if words[1:3] == ["-m", "pip"]]
    assert {"--no-index", "--require-hashes", "--isolated"} <= set(install)
    release = machine.releases / boot.variables[contract.VAR_SERVICE_VERSION]
    assert [path.name for path in machine.releases.iterdir()] == [release.name]  # and nothing half-done
    assert (release / "inference_service" / "gateway" / "__main__.py").is_file()
    assert release.stat().st_mode & 0o777 == 0o755  # the service is not root


def test_the_user_is_made_before_the_service_is_started(machine: Machine, booted: object) -> None:
    names = machine.calls_of("useradd", "systemctl")[:3]
    assert [words[0] for words in names] == ["useradd", "systemctl", "systemctl"]
    assert names[0][-1] == Unit.read(machine.unit).options["User"]
    assert [words[1:] for words in names[1:]] == [["daemon-reload"], ["enable", "--now", "warmfleet.service"]]


def test_s3_would_accept_each_signature(machine: Machine, door: Door, booted: object) -> None:
    fetched = [asked for asked in door.asked if asked.path.startswith(f"/{BUCKET}/")]
    assert [asked.path.rpartition("/")[2] for asked in fetched] == list(OBJECTS)
    for asked in fetched:
        assert asked.signed() >= SIGNED | {name for name in asked.headers if name.startswith("x-amz-")}
        assert asked.headers["authorization"] == asked.authorization(machine.credentials(), SETTINGS.region)


def test_no_credential_is_in_a_command_line_a_file_or_the_output(
    machine: Machine, booted: "subprocess.CompletedProcess[str]"
) -> None:
    files = [machine.environment_file, machine.unit, machine.root / "calls"]
    seen = booted.stdout + booted.stderr + "".join(path.read_text() for path in files)
    keys = machine.credentials()
    assert machine.calls_of("curl")
    assert not [name for name in ("AccessKeyId", "SecretAccessKey", "Token") if keys[name] in seen]
    assert "metadata-token:" not in seen


def test_the_service_answers_when_started_as_the_unit_says(machine: Machine, booted: object, tmp_path: Path) -> None:
    url = f"http://{machine.address}:{SETTINGS.gateway_instance_port}{contract.PATH_HEALTH}"
    with machine.started(tmp_path) as process:
        assert process.answer(url) == 200
        assert process.stop() == 0


def test_a_node_is_installed_with_its_engine_and_answers_too(fresh: Machine, boot: Boot, tmp_path: Path) -> None:
    version = boot.variables[contract.VAR_SERVICE_VERSION]
    done = fresh.boot(Boot(contract.ROLE_NODE, node_variables(SETTINGS, SETTINGS.models[0], PLACES, version), 30))
    assert done.returncode == 0, done.stderr
    assert list(fresh.releases.glob("*/xllamacpp"))
    with fresh.started(tmp_path) as process:
        assert process.answer(f"http://{fresh.address}:{contract.NODE_PORT}{contract.PATH_HEALTH}") == 200
        assert process.stop() == 0


def test_the_service_may_write_to_its_data_folder_and_has_time_to_drain(machine: Machine, booted: object) -> None:
    options = Unit.read(machine.unit).options
    assert int(options["TimeoutStopSec"]) == SETTINGS.gateway_drain_seconds + STOP_MARGIN_SECONDS
    # systemd.exec(5): ProtectSystem=strict leaves nothing writable but what is named; StateDirectory is in /var/lib.
    data = node_settings(node_variables(SETTINGS, SETTINGS.models[0], PLACES, "0" * 64)).data_dir
    assert (options["ProtectSystem"], f"/var/lib/{options['StateDirectory']}") == ("strict", str(data))
    assert options["KillMode"] == "mixed"  # systemd.kill(5): else an engine is stopped while its answers are drained


def test_a_second_boot_fetches_nothing_and_leaves_all_as_it_was(
    machine: Machine, boot: Boot, door: Door, booted: object
) -> None:
    files = [machine.environment_file, machine.unit]
    before, asked = [path.read_bytes() for path in files], len(door.asked)
    release = machine.releases / boot.variables[contract.VAR_SERVICE_VERSION]
    inode = release.stat().st_ino
    assert machine.boot(boot).returncode == 0
    assert ([path.read_bytes() for path in files], len(door.asked)) == (before, asked)
    assert [path.stat().st_ino for path in machine.releases.iterdir()] == [inode]
    assert len(machine.calls_of("useradd")) == 1


def test_both_services_accept_the_variables_that_the_program_gives_them() -> None:
    for model in SETTINGS.models:
        settings = node_settings(node_variables(SETTINGS, model, PLACES, "0" * 64))
        assert (settings.model, settings.engine, settings.bucket) == (model.name, model.engine, BUCKET)
        assert settings.vllm.extra_arguments == model.vllm.extra_arguments
    gateway = gateway_settings(gateway_variables(SETTINGS, PLACES, "0" * 64))
    assert (gateway.models, gateway.port) == (("small", "large"), SETTINGS.gateway_instance_port)
    assert gateway.drain_seconds == SETTINGS.gateway_drain_seconds
