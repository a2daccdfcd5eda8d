"""What `doctor` and `up` find on a machine, and the command that they name for it."""

import socket
from pathlib import Path

import pytest

from scripts.machine_checks import (
    check_disk,
    check_node_port,
    check_platform,
    check_port,
    check_program,
    check_pulumi,
    gateway_port,
)


def test_an_old_python_and_another_system_are_both_named_with_a_remedy() -> None:
    system, python = check_platform("Darwin", (3, 10, 4))
    assert not system.ok
    assert system.remedy
    assert not python.ok
    assert "python3.11" in python.remedy


def test_a_missing_program_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    assert check_program("git", {"PATH": str(tmp_path)}).remedy == "sudo apt-get install git"


def test_neither_pulumi_nor_go_gives_the_official_install_line(tmp_path: Path) -> None:
    check = check_pulumi({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert not check.ok
    assert "get.pulumi.com" in check.remedy


def test_too_little_disk_space_states_value_limit_and_remedy(tmp_path: Path) -> None:
    check = check_disk(tmp_path, least_mib=2**40)
    assert not check.ok
    assert f"free at least {2**40} MiB" in check.remedy
    assert check_disk(tmp_path, least_mib=0).ok


def test_an_occupied_port_is_named_with_file_and_key(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "Pulumi.yaml").write_text("name: warmfleet\n")
        (tmp_path / "Pulumi.local.yaml").write_text(f"config:\n  warmfleet:gateway_port: {port}\n")
        check = check_port(tmp_path)
    assert not check.ok
    assert f"{port} cannot be used" in check.found
    assert "warmfleet:gateway_port in Pulumi.local.yaml" in check.remedy


def test_a_program_that_has_the_nodes_port_on_all_addresses_is_in_the_way() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        check = check_node_port(port)
    assert (check.ok, f"{port} cannot be used" in check.found) == (False, True)
    assert check_node_port(port).ok


@pytest.mark.parametrize(
    ("project", "stack", "port"),
    [
        ("", "", 8080),
        ("config:\n  gateway_port:\n    type: integer\n    default: 8443\n", "", 8443),
        ("config:\n  gateway_port:\n    default: 8443\n", "config:\n  warmfleet:gateway_port: 9000\n", 9000),
        ("{", "config: [", 8080),
    ],
)
def test_the_port_is_the_stacks_then_the_projects_default(tmp_path: Path, project: str, stack: str, port: int) -> None:
    (tmp_path / "Pulumi.yaml").write_text(project)
    (tmp_path / "Pulumi.local.yaml").write_text(stack)
    assert gateway_port(tmp_path) == ("Pulumi.local.yaml", port)
