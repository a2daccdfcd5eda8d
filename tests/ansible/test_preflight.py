"""Whatever is wrong with a play's variables is said at once, by the first tasks of each playbook that changes hosts."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.ansible.programs import ANSIBLE, NEEDS, ROLES, TOOLS, run

pytestmark = NEEDS


def refused(folder: Path, variables: dict[str, object], cwd: Path = ANSIBLE) -> str:
    """The sentence with which a play on this machine ends that is given these variables."""
    given = {"ansible_python_interpreter": str(TOOLS / "python"), **variables}
    command = ["-i", "localhost,", "-c", "local", str(ANSIBLE / "boot.yml"), "-e", json.dumps(given)]
    done = run(folder, "ansible-playbook", *command, cwd=cwd)
    assert done.returncode != 0
    assert "Install the service" not in done.stdout  # nor any other task that changes something
    (said,) = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("[ERROR]: Task failed")]
    return said


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        {
            "service_role": "nodes",
            "service_statee": "stopped",
            "gateway_restarts": [4],
            "warmfleet_baking": "perhaps",
            "warmfleet_bakng": True,
        },
    )
    for each in (
        "service_statee is a variable that no role knows",
        "warmfleet_bakng is a variable that no role knows",
        "value of service_role must be one of: node, gateway, got: nodes",
        "argument 'gateway_restarts' is of type list and we were unable to convert to int",
        "argument 'warmfleet_baking' is of type str and we were unable to convert to bool",
        "nothing has been changed",
    ):
        assert each in said


@pytest.mark.parametrize("variables", [{}, {"service_home": "/srv", "warmfleet_baking": True, "ready_seconds": 1}])
def test_what_the_roles_know_and_what_is_not_theirs_gets_to_the_roles(
    tmp_path: Path, variables: dict[str, object]
) -> None:
    given = {"ansible_python_interpreter": str(TOOLS / "python"), "service_role": "node", **variables}
    command = ["-i", "localhost,", "-c", "local", "--check", "--tags", "service", "boot.yml", "-e", json.dumps(given)]
    done = run(tmp_path, "ansible-playbook", *command)
    assert "missing required arguments: service_version" in done.stdout  # the role's own word


def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, {"service_role": "node", "service_version": "v1.2"})
    assert "service_version is v1.2; it has to be the SHA-256 of a bundle's manifest" in said


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (None, "has no bundle 000"),
        (b"{}", f"has the SHA-256 {hashlib.sha256(b'{}').hexdigest()}, and service_version is"),
    ],
)
def test_a_bundle_that_is_not_there_or_not_what_its_version_says_is_refused_before_anything_changes(
    tmp_path: Path, manifest: bytes | None, reason: str
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest)
    given: dict[str, object] = {
        "service_role": "gateway",
        "service_version": "0" * 64,
        "service_home": str(tmp_path / "home"),
        "service_bundle_source": str(tmp_path) if manifest is not None else "",
    }
    said = refused(tmp_path, given)
    assert reason in said
    assert "nothing has been changed" in said
    assert not (tmp_path / "home").exists()


REQUIREMENTS = "requirements/gateway.txt"
PINNED = {"aiohttp==3.14.5": ["a" * 64], "yarl==1.25.1": ["b" * 64, "c" * 64]}
PINS = "".join(
    " \\\n    ".join([each, *(f"--hash=sha256:{one}" for one in hashes)]) + "\n" for each, hashes in PINNED.items()
)


def bundle(folder: Path, wheels: list[str], *, archive_sha256: str | None = None) -> dict[str, object]:
    """Variables of a bundle that needs aiohttp and yarl and lists `wheels`, SHA-256 hashes, and nothing else."""
    with tarfile.open(folder / "bundle.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(REQUIREMENTS)
        member.size = len(PINS)
        archive.addfile(member, io.BytesIO(PINS.encode()))
    found = hashlib.sha256((folder / "bundle.tar.gz").read_bytes()).hexdigest()
    listed = [(REQUIREMENTS, hashlib.sha256(PINS.encode()).hexdigest())]
    listed += [(f"wheels/{each[:8]}.whl", each) for each in wheels]
    files = [{"path": path, "sha256": sha256} for path, sha256 in listed]
    manifest = json.dumps({"archive": {"sha256": archive_sha256 or found}, "files": files}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    version = hashlib.sha256(manifest).hexdigest()
    home = {"service_home": str(folder / "home"), "service_bundle_source": str(folder)}
    return {"service_role": "gateway", "service_version": version, **home}


def test_a_bundle_without_a_wheel_that_it_needs_is_refused_before_anything_changes(tmp_path: Path) -> None:
    said = refused(tmp_path, bundle(tmp_path, ["d" * 64]))
    for each in PINNED:
        assert f"{each} is not among the bundle's wheels, or has another hash" in said
    assert "nothing has been changed" in said
    assert not (tmp_path / "home").exists()


def test_an_altered_bundle_is_refused_before_anything_changes(tmp_path: Path) -> None:
    said = refused(tmp_path, bundle(tmp_path, ["a" * 64, "c" * 64], archive_sha256="0" * 64))
    assert "bundle.tar.gz is altered: its SHA-256 is" in said
    assert not (tmp_path / "home").exists()


def test_half_a_bundle_is_refused_in_a_sentence_and_a_relative_folder_is_the_playbooks(tmp_path: Path) -> None:
    given = bundle(tmp_path, ["a" * 64, "c" * 64])
    (tmp_path / "bundle.tar.gz").unlink()
    source = os.path.relpath(tmp_path, ANSIBLE)
    said = refused(tmp_path, given | {"service_bundle_source": source}, cwd=tmp_path)
    assert f"{source}: this is no service bundle: FileNotFoundError" in said
    assert f"{source}/bundle.tar.gz" in said
    assert "Traceback" not in said


def test_one_hash_of_a_requirement_is_enough(tmp_path: Path) -> None:
    bundle(tmp_path, ["a" * 64, "c" * 64])
    program = ANSIBLE / "roles" / "service" / "files" / "check_bundle.py"
    done = subprocess.run([sys.executable, program, tmp_path, REQUIREMENTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_operating_system_that_is_not_tested_is_refused_with_the_remedy(tmp_path: Path) -> None:
    said = refused(tmp_path, {"supported_systems": ["Ubuntu 24.04"], "inventory_hostname": "i-1"})
    assert "supported are Ubuntu 24.04; name another image in the setting image_parameter" in said


def test_what_can_be_refused_is_refused_before_the_first_role_changes_something() -> None:
    tasks = yaml.safe_load((ANSIBLE / "tasks" / "configure.yml").read_text())
    refuses = ["tasks_from" in task.get("ansible.builtin.include_role", {}) for task in tasks]
    assert refuses == sorted(refuses, reverse=True)


def test_preflight_knows_every_role() -> None:
    known, *_ = yaml.safe_load((ANSIBLE / "tasks" / "preflight.yml").read_text())
    assert known["vars"]["__preflight_roles"] == ROLES


CHANGES_NOTHING = {"tasks/reached.yml"}


@pytest.mark.parametrize("playbook", ["boot.yml", "site.yml"])
def test_preflight_comes_before_all_that_changes_a_host(playbook: str) -> None:
    plays = yaml.safe_load((ANSIBLE / playbook).read_text())
    for configuring in [play for play in plays if "pre_tasks" in play]:
        imported = [task.get("ansible.builtin.import_tasks") for task in configuring["pre_tasks"]]
        assert set(imported[: imported.index("tasks/preflight.yml")]) <= CHANGES_NOTHING


@pytest.mark.parametrize("file", sorted(CHANGES_NOTHING))
def test_what_comes_before_preflight_only_asserts(file: str) -> None:
    for task in yaml.safe_load((ANSIBLE / file).read_text()):
        assert "ansible.builtin.assert" in task
