"""The first boot of a gateway: the real service bundle, from the local AWS, installed and started as systemd would.

tests/unit/test_user_data.py holds the script to its rules with a small bundle.
"""

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_service import contract
from inference_service.gateway.settings import read_settings as gateway_settings
from inference_service.node.settings import read_settings as node_settings
from infra.settings import GATEWAY_PORT_OF_INSTANCE, StackSettings
from infra.stack import BUNDLE_FOLDER
from infra.user_data import STOP_MARGIN_SECONDS, Boot
from infra.variables import gateway_variables, node_variables
from localcloud.aws.in_process import LocalAws, local_aws
from tests.aws.first_boot.door import SIGNED, Door
from tests.aws.first_boot.machine import BUCKET, Machine, Unit, launched, upload

SETTINGS = StackSettings.model_validate(
    {
        "region": "us-east-1",
        "environment": "test",
        "models": [
            {"name": "small", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]},
            {
                "name": "large",
                "engine": "vllm",
                "instance_types": ["g6.xlarge"],
                "vllm": {"dtype": "bfloat16", "extra_arguments": ["--seed", 'a "b" \\ $HOME `c` %n #']},
            },
        ],
    }
)
OBJECTS = ("manifest.json", "bundle.tar.gz")

pytestmark = [
    pytest.mark.skipif(
        not (BUNDLE_FOLDER / "manifest.json").exists(), reason="there is no service bundle; run: make bundle"
    ),
    pytest.mark.skipif(sys.version_info[:2] not in ((3, 11), (3, 12)), reason="instances have Python 3.11 or 3.12"),
]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.61") as served:
        served.client("s3").create_bucket(Bucket=BUCKET)
        yield served


@pytest.fixture(scope="module")
def door(aws: LocalAws) -> Iterator[Door]:
    door = Door(aws.url)
    yield door
    door.close()


@pytest.fixture(scope="module")
def boot(aws: LocalAws) -> Boot:
    """Of a gateway, with the bundle that `make bundle` built in the bucket."""
    objects = {name: (BUNDLE_FOLDER / name).read_bytes() for name in OBJECTS}
    version = hashlib.sha256(objects["manifest.json"]).hexdigest()
    upload(aws, version, objects)
    variables = gateway_variables(SETTINGS, BUCKET, version)
    return Boot(contract.ROLE_GATEWAY, variables, SETTINGS.gateway_drain_seconds)


@pytest.fixture(scope="module")
def machine(aws: LocalAws, door: Door, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    made = launched(aws, door.open(), tmp_path_factory.mktemp("machine"))
    made.prepare()
    return made


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
    unit = Unit.read(machine.unit)
    environ = machine.environ() | unit.environ()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(unit.command(), env=environ, cwd="/", stdout=log, stderr=log)
    try:
        url = f"http://{machine.address}:{GATEWAY_PORT_OF_INSTANCE}{contract.PATH_HEALTH}"
        assert answered(url, process, tmp_path / "log") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(int(unit.options["TimeoutStopSec"])) == 0
    finally:
        process.kill()
        process.wait()


def answered(url: str, process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_the_service_may_write_to_its_data_folder_and_has_time_to_drain(machine: Machine, booted: object) -> None:
    options = Unit.read(machine.unit).options
    assert int(options["TimeoutStopSec"]) == SETTINGS.gateway_drain_seconds + STOP_MARGIN_SECONDS
    # systemd.exec(5): ProtectSystem=strict leaves nothing writable but what is named; StateDirectory is in /var/lib.
    data = node_settings(node_variables(SETTINGS, SETTINGS.models[0], BUCKET, "0" * 64)).data_dir
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


def objects_of(marks: bytes, listed: dict[str, str] | None = None) -> tuple[str, dict[str, bytes]]:
    """The real bundle with another version, and files listed that are not in it; `marks` are spaces."""
    objects = {name: (BUNDLE_FOLDER / name).read_bytes() for name in OBJECTS}
    manifest = json.loads(objects["manifest.json"])
    manifest["files"] = [*({"path": path, "sha256": text} for path, text in (listed or {}).items()), *manifest["files"]]
    objects["manifest.json"] = json.dumps(manifest).encode() + marks
    return sha256(objects["manifest.json"]), objects


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refusal(machine: Machine, boot: Boot, version: str, objects: dict[str, bytes]) -> str:
    """What a machine says that boots with these objects; it has installed and started nothing."""
    upload(machine.aws, version, objects)
    variables = {**boot.variables, contract.VAR_SERVICE_VERSION: version}
    done = machine.boot(dataclasses.replace(boot, variables=variables))
    assert done.returncode != 0
    assert (list(machine.releases.iterdir()), machine.unit.exists()) == ([], False)
    assert not machine.environment_file.exists()
    assert machine.calls_of("systemctl", "useradd") == []
    return done.stderr


@pytest.fixture
def fresh(machine: Machine, tmp_path: Path) -> Machine:
    """The same instance, before any boot."""
    made = dataclasses.replace(machine, root=tmp_path)
    made.prepare()
    return made


def test_an_altered_manifest_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b" ")
    objects["manifest.json"] += b" "
    found = sha256(objects["manifest.json"])
    wanted = f"manifest.json is altered: its SHA-256 is {found} and should be {version};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_an_altered_archive_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b"  ")
    right = sha256(objects["bundle.tar.gz"])
    objects["bundle.tar.gz"] += b" "
    wanted = f"bundle.tar.gz is altered: its SHA-256 is {sha256(objects['bundle.tar.gz'])} and should be {right};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_a_file_that_differs_from_the_manifest_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    files = json.loads((BUNDLE_FOLDER / "manifest.json").read_text())["files"]
    (right,) = (file["sha256"] for file in files if file["path"] == "requirements/gateway.txt")
    version, objects = objects_of(b"", {"requirements/gateway.txt": "0" * 64})
    wanted = f"requirements/gateway.txt is altered: its SHA-256 is {right} and should be {'0' * 64};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_a_file_that_the_archive_lacks_is_named(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b"", {"wheels/missing.whl": "0" * 64})
    assert "wheels/missing.whl is not a file in bundle.tar.gz" in refusal(fresh, boot, version, objects)


def test_both_services_accept_the_variables_that_the_program_gives_them() -> None:
    for model in SETTINGS.models:
        settings = node_settings(node_variables(SETTINGS, model, BUCKET, "0" * 64))
        assert (settings.model, settings.engine, settings.bucket) == (model.name, model.engine, BUCKET)
        assert settings.vllm.extra_arguments == model.vllm.extra_arguments
    gateway = gateway_settings(gateway_variables(SETTINGS, BUCKET, "0" * 64))
    assert (gateway.models, gateway.port) == (("small", "large"), GATEWAY_PORT_OF_INSTANCE)
    assert gateway.drain_seconds == SETTINGS.gateway_drain_seconds
