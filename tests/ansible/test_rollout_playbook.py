"""What a rollout by playbook refuses before anything changes, and where a batch ends; without a host."""

from pathlib import Path

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
        assert play["hosts"] in ("role_node:role_gateway", "localhost:role_node:role_gateway"), play["name"]


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
    assert "c cannot be reached: b and the hosts after it are left as they are" in said
    assert [each for each in "abcde" if (tmp_path / each).exists()] == ["a"]


@pytest.mark.parametrize("playbook", ["site.yml", "rollout.yml"])
def test_each_play_in_batches_looks_who_answers_before_it_changes_anything(playbook: str) -> None:
    plays = [each for each in yaml.safe_load((ANSIBLE / playbook).read_text()) if "serial" in each]
    for play in plays:
        steps = [each for each in [*play.get("pre_tasks", []), *play["tasks"]] if "ansible.builtin.meta" not in each]
        first = steps[0].get("ansible.builtin.import_tasks")
        assert first == "tasks/reached.yml" or play["name"] == "Set back what was changed"
