"""What a rollout by playbook refuses before anything changes, and where a batch ends; without a host."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.programs import ANSIBLE, NEEDS, TOOLS, run

pytestmark = NEEDS

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": str(TOOLS / "python")}
SILENT = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
VERSION = "0" * 64


def inventory(folder: Path, **hosts: dict[str, object]) -> str:
    (folder / "hosts.yml").write_text(yaml.safe_dump({"role_node": {"hosts": hosts}}))
    return str(folder / "hosts.yml")


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["rollout_model=m", "rollout_version=v2", f"rollout_service_version={VERSION}"],
        ["rollout_version=v2"],
        [f"rollout_service_version={VERSION}", f"service_version={VERSION}"],
    ],
)
def test_two_versions_at_once_or_none_are_refused(tmp_path: Path, given: list[str]) -> None:
    options = [word for each in given for word in ("-e", each)]
    done = run(tmp_path, "ansible-playbook", "-i", inventory(tmp_path, one=LOCAL), "rollout.yml", *options)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "one version at a time" in said
    assert "nothing has been changed" in said


def test_a_limit_takes_no_refusal_away(tmp_path: Path) -> None:
    """A limit without localhost would leave out a play that is localhost's alone."""
    command = [
        "-i",
        inventory(tmp_path, one=LOCAL, two=LOCAL),
        "--limit",
        "one",
        "rollout.yml",
        "-e",
        "rollout_version=v2",
    ]
    done = run(tmp_path, "ansible-playbook", *command)
    assert done.returncode != 0
    assert "one version at a time" in " ".join(done.stdout.split())


@pytest.mark.parametrize("playbook", ["site.yml", "drain.yml", "diagnose.yml", "rollout.yml"])
def test_no_play_is_localhosts_alone(playbook: str) -> None:
    for play in yaml.safe_load((ANSIBLE / playbook).read_text()):
        assert set(play["hosts"].split(":")) & {"role_node", "role_gateway"}, play["name"]


def test_a_rollout_without_hosts_says_which_filter_matched_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "ansible-playbook", "-i", "localhost,", "rollout.yml")
    assert done.returncode != 0
    assert "no instance runs in region us-east-1 with the tag warmfleet:role" in " ".join(done.stdout.split())


def test_a_batch_with_a_host_that_does_not_answer_ends_before_it_changes_another_one(tmp_path: Path) -> None:
    """As in site.yml and rollout.yml: Ansible alone would go on with the other host of the batch, and with the next."""
    tasks = [
        {"name": "Look", "ansible.builtin.import_tasks": str(ANSIBLE / "tasks" / "reached.yml")},
        {
            "name": "Change",
            "ansible.builtin.file": {
                "path": str(tmp_path / "{{ inventory_hostname }}"),
                "state": "touch",
                "mode": "0600",
            },
        },
    ]
    play = {"hosts": "role_node", "serial": [1, 2], "max_fail_percentage": 0, "gather_facts": True, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    hosts = inventory(tmp_path, a=LOCAL, b=LOCAL, c=SILENT, d=LOCAL, e=LOCAL)
    done = run(tmp_path, "ansible-playbook", "-i", hosts, str(tmp_path / "play.yml"))
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "c cannot be reached, or was refused above: hosts that are not changed yet are left as they are" in said
    assert [each for each in "abcde" if (tmp_path / each).exists()] == ["a"]


def plays(playbook: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ANSIBLE / playbook).read_text())
    return found


@pytest.mark.parametrize("playbook", ["site.yml", "rollout.yml"])
def test_gateways_change_one_after_the_other_and_after_the_nodes(playbook: str) -> None:
    """Each gateway holds the streams of many, and a batch of a mixed list could hold every one of them."""
    changing = [each for each in plays(playbook) if "serial" in each]
    assert {each["hosts"] for each in changing} == {"role_node", "role_gateway"}
    assert {str(each["serial"]) for each in changing if each["hosts"] == "role_gateway"} == {"1"}
    assert changing[0]["hosts"] == "role_node"


def test_site_looks_who_answers_before_a_batch_and_after_it() -> None:
    for play in [each for each in plays("site.yml") if "serial" in each]:
        assert play["pre_tasks"][0]["ansible.builtin.import_tasks"] == "tasks/reached.yml"
        assert play["post_tasks"][-1]["ansible.builtin.import_tasks"] == "tasks/reached.yml"


ENVIRONMENTS = {"environment_staging": {"hosts": {"one": {}}}, "environment_prod": {"hosts": {"two": {}}}}


@pytest.mark.parametrize(
    ("playbook", "options", "refused"),
    [
        ("site.yml", [], "the hosts are in environment_prod and environment_staging, and one environment is meant"),
        ("site.yml", ["--tags", "baseline"], "the hosts are in environment_prod and environment_staging"),
        ("site.yml", ["--limit", "environment_prod:localhost"], None),
        (
            "rollout.yml",
            ["--limit", "one:localhost"],
            "give --limit environment_staging:localhost and -e rollout_stack=",
        ),
        ("rollout.yml", ["-e", "rollout_stack=prod"], "the hosts are in environment_prod and environment_staging"),
        ("rollout.yml", ["--limit", "two:localhost", "-e", "rollout_stack=prod"], None),
    ],
)
def test_hosts_of_another_environment_than_the_one_that_is_meant_are_refused(
    tmp_path: Path, playbook: str, options: list[str], refused: str | None
) -> None:
    groups = {"role_node": {"hosts": {"one": SILENT, "two": SILENT}}, **ENVIRONMENTS}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
    given = ["-e", f"rollout_service_version={VERSION}"] if playbook == "rollout.yml" else []
    # The command that asks for model versions is played by one that fails: here nothing has to be asked.
    command = ["-i", str(tmp_path / "hosts.yml"), playbook, *given, "-e", '{"rollout_command": ["false"]}', *options]
    done = run(tmp_path, "ansible-playbook", *command)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0  # no host answers
    assert ("one environment is meant" in said) is (refused is not None), said
    assert refused is None or refused in said


def rollout(folder: Path, hosts: dict[str, dict[str, object]]) -> str:
    """What the waves of rollout.yml say, with a version that is a file of the host's name; "bad" cannot have it."""
    shutil.copytree(ANSIBLE, folder / "ansible")
    waves = [each for each in plays("rollout.yml") if "serial" in each or each["name"] == "Say how it ended"]
    for each in waves:
        each["become"] = False
    (folder / "ansible" / "rollout.yml").write_text(yaml.safe_dump(waves))
    place = {"path": str(folder / "{{ inventory_hostname }}-{{ service_version }}"), "state": "touch", "mode": "0600"}
    bring = [
        {"name": "Write", "ansible.builtin.file": place, "register": "written"},
        {"name": "Order", "ansible.builtin.debug": {"msg": "brought {{ inventory_hostname }} {{ service_version }}"}},
        {
            "name": "Serve",
            "ansible.builtin.assert": {"that": "inventory_hostname != 'bad' or service_version == 'old'"},
        },
    ]
    look = [{"name": "Look", "ansible.builtin.stat": {"path": place["path"]}, "register": "found"}]
    runs = [*look, {"name": "Run", "ansible.builtin.assert": {"that": "found.stat.exists"}}]
    for name, tasks in (("bring", bring), ("steady", look), ("runs", runs)):
        (folder / "ansible" / "tasks" / f"{name}.yml").write_text(yaml.safe_dump(tasks))
    settings = {"settings": {"WARMFLEET_SERVICE_VERSION": "old"}, "rollout_service_version": "new"}
    groups: dict[str, dict[str, object]] = {"all": {"vars": settings}, "role_node": {"hosts": hosts}}
    groups["role_gateway"] = {"hosts": {"g": LOCAL}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(groups, sort_keys=False))
    command = ["-i", str(folder / "hosts.yml"), "rollout.yml"]
    done = run(folder, "ansible-playbook", *command, cwd=folder / "ansible")
    assert done.returncode != 0
    return " ".join(done.stdout.split())


def versions(folder: Path, name: str) -> list[str]:
    return sorted(each.name.removeprefix(f"{name}-") for each in folder.glob(f"{name}-*"))


def test_a_wave_that_fails_sets_back_what_was_changed_before_it_the_last_ones_first(tmp_path: Path) -> None:
    said = rollout(tmp_path, dict.fromkeys(("a", "b", "bad", "d", "e"), LOCAL))
    assert "bad cannot serve new (Serve: Assertion failed): what was changed is back on old, the other hosts" in said
    assert [versions(tmp_path, each) for each in ("a", "b", "bad")] == [["new", "old"]] * 3
    assert [versions(tmp_path, each) for each in ("d", "e", "g")] == [[]] * 3
    back = re.findall(r"brought (\w+) old", said)
    assert back == ["bad", "b", "a"]


def test_a_host_that_vanishes_in_a_wave_has_the_others_set_back_and_is_named(tmp_path: Path) -> None:
    """Alone in its batch: Ansible by itself would end the whole run there, with two versions in the fleet."""
    said = rollout(tmp_path, {"a": LOCAL, "b": LOCAL, "c": SILENT, "d": LOCAL})
    assert (
        "c cannot serve new (it cannot be reached any more): what was changed is back on old, but not c: look" in said
    )
    assert [versions(tmp_path, each) for each in ("a", "b")] == [["new", "old"]] * 2
    assert [versions(tmp_path, each) for each in ("d", "g")] == [[]] * 2
