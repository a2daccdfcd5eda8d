"""What the roles for GPUs refuse and write, with programs that say what a real driver, or DCGM's exporter, says."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.programs import ANSIBLE, NEEDS, ROOT, TOOLS, run

pytestmark = NEEDS

# As an H200 with driver 580.159.04 begins its answer.
QUERY = """
==============NVSMI LOG==============

Timestamp                                              : Sat Nov 28 08:00:00 2026
Driver Version                                         : {driver}
CUDA Version                                           : {cuda}

Attached GPUs                                          : {gpus}
"""


def program(folder: Path, name: str, says: str, code: int = 0) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "says").mkdir(exist_ok=True)
    (folder / "says" / name).write_text(says)
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\ncat {folder}/says/{name}\nexit {code}\n")
    file.chmod(0o755)


def applied(folder: Path, role: str, part: str, **variables: Any) -> "subprocess.CompletedProcess[str]":
    """One part of a role on this machine, as whoever runs the tests; `folder` has the programs that it finds."""
    (folder / "bin").mkdir(exist_ok=True)
    task = {"ansible.builtin.include_role": {"name": role, "tasks_from": part}}
    play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
    play["environment"] = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    given = {"ansible_python_interpreter": str(TOOLS / "python"), "warmfleet_baking": False, **variables}
    command = ["-i", "i-1,", "-c", "local", str(folder / "play.yml"), "-e", json.dumps(given)]
    return run(folder, "ansible-playbook", *command, ANSIBLE_ROLES_PATH=str(ANSIBLE / "roles"))


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """The sentence with which a play ended; nothing when it did not fail."""
    said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("[ERROR]: Task failed")]
    assert len(said) == (done.returncode != 0), done.stdout
    return "".join(said)


def test_a_driver_of_the_engines_level_is_accepted(tmp_path: Path) -> None:
    program(tmp_path, "nvidia-smi", QUERY.format(driver="580.159.04", cuda="13.0", gpus=1))
    assert refusal(applied(tmp_path, "nvidia_driver", "preflight")) == ""


def test_an_older_driver_is_refused_with_both_levels_and_the_remedy(tmp_path: Path) -> None:
    program(tmp_path, "nvidia-smi", QUERY.format(driver="550.163.01", cuda="12.4", gpus=8))
    said = refusal(applied(tmp_path, "nvidia_driver", "preflight"))
    assert "i-1 has driver 550.163.01, which offers CUDA 12.4; the engine needs 13.0: name a newer image" in said
    assert refusal(applied(tmp_path, "nvidia_driver", "preflight", nvidia_driver_least_cuda="12.4")) == ""


@pytest.mark.parametrize(
    ("says", "code", "reason"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9, "couldn't communicate"),
        (QUERY.format(driver="580.159.04", cuda="13.0", gpus=0), 0, "its driver sees none"),
        (None, 0, "nvidia-smi is not installed"),
    ],
)
def test_a_host_without_a_gpu_that_answers_is_refused(tmp_path: Path, says: str | None, code: int, reason: str) -> None:
    if says is not None:
        program(tmp_path, "nvidia-smi", says, code)
    said = refusal(applied(tmp_path, "nvidia_driver", "preflight"))
    assert "i-1 has no GPU that answers" in said
    assert reason in said
    assert "choose instance types with NVIDIA GPUs" in said


def test_the_machine_that_bakes_needs_no_gpu(tmp_path: Path) -> None:
    assert refusal(applied(tmp_path, "nvidia_driver", "preflight", warmfleet_baking=True)) == ""


def test_an_image_without_the_engine_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    own = {
        "__vllm_requirements": str(ROOT / "requirements/vllm.txt"),
        "vllm_home": str(tmp_path / "vllm"),
        "__vllm_link": str(tmp_path / "link"),
    }
    said = refusal(applied(tmp_path, "vllm", "preflight", **own))
    assert "i-1 has no vLLM, whose packages are fetched only while an image is baked: `warmfleet image build`" in said
    (tmp_path / "link").touch()  # an image of the user's own
    assert refusal(applied(tmp_path, "vllm", "preflight", **own)) == ""


def test_the_drivers_level_is_that_of_the_pinned_engines_packages() -> None:
    pins = (ROOT / "requirements" / "vllm.txt").read_text()
    (runtime,) = [line.split("==")[1] for line in pins.splitlines() if line.startswith("nvidia-cuda-runtime==")]
    defaults = yaml.safe_load((ANSIBLE / "roles/nvidia_driver/defaults/main.yml").read_text())
    assert ".".join(runtime.split(".")[:2]) == defaults["nvidia_driver_least_cuda"]


@pytest.mark.parametrize(("exporter", "library"), [("4.6.1", "1:4.5.2-1"), ("4.5.0", "1:4.6.1-1"), ("4.6.1", "")])
def test_an_exporter_beside_another_dcgm_than_its_own_is_refused(tmp_path: Path, exporter: str, library: str) -> None:
    program(tmp_path, "dcgm-exporter", f"DCGM Exporter version {exporter}-4.8.4\n")
    program(tmp_path, "dpkg-query", library, 0 if library else 1)
    said = refusal(applied(tmp_path, "gpu_metrics", "exporter"))
    assert f'dcgm-exporter says "DCGM Exporter version {exporter}-4.8.4"' in said
    assert f"DCGM {library or 'is not installed'} is here; both have to be of DCGM 4.6.1" in said


def test_a_pinned_package_gets_an_environment_of_its_own_and_another_hash_gets_none(tmp_path: Path) -> None:
    """The bundle's pip and one of the bundle's small wheels, in the place of vLLM's."""
    bundle = ROOT / "build" / "service"
    if not (bundle / "bundle.tar.gz").exists():
        pytest.skip("there is no service bundle; run: make bundle")
    subprocess.run(["tar", "-xzf", bundle / "bundle.tar.gz", "-C", tmp_path, "--wildcards", "wheels/*"], check=True)
    (wheel,) = (tmp_path / "wheels").glob("idna-*.whl")
    version = wheel.name.split("-")[1]
    digest = subprocess.run(["sha256sum", wheel], capture_output=True, text=True, check=True).stdout.split()[0]
    script = ANSIBLE / "roles/vllm/files/make_environment.py"

    def made(sha256: str, name: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "requirements.txt").write_text(f"idna=={version} --hash=sha256:{sha256}\n")
        command = [TOOLS / "python", script, tmp_path, tmp_path / "requirements.txt", tmp_path / name]
        environ = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
        return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=100, check=False)

    assert made(digest, "right").returncode == 0
    assert (tmp_path / "right/complete").exists()
    assert list((tmp_path / "right").glob("lib/python*/site-packages/idna"))
    refused = made("0" * 64, "wrong")
    assert refused.returncode != 0
    assert "is not installed: pip ended with" in refused.stderr
    assert not (tmp_path / "wrong").exists()
