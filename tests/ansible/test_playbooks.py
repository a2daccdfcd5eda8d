"""Playbooks and roles without a host: lint, argument specs, units, and what the inventory makes of the local AWS."""

import json
import os
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from inference_service import contract
from localcloud.aws.in_process import LocalAws, local_aws
from scripts import ansible_names
from tests.ansible.programs import ANSIBLE, NEEDS, ROLES, TOOLS, rendered, run

pytestmark = NEEDS


def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    paths = [*(path.name for path in ANSIBLE.glob("*.yml")), "roles", "tasks"]
    options = ["--offline", "--nocolor", "--profile", "production"]
    settings = tmp_path / "ansible.cfg"  # without the inventory, which would ask AWS
    settings.write_text("[defaults]\nroles_path = roles\ninventory = localhost,\n")
    done = run(tmp_path, "ansible-lint", *options, *paths, ANSIBLE_CONFIG=str(settings))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_each_default_has_a_specification_and_the_same_value(role: str) -> None:
    folder = ANSIBLE / "roles" / role
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text())
    options = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert defaults.keys() <= options.keys()
    assert {name: option["default"] for name, option in options.items() if "default" in option} == {
        name: value for name, value in defaults.items() if "default" in options[name]
    }
    assert all(name.startswith(f"{role}_") and option["description"] for name, option in options.items())


def test_the_names_that_playbooks_share_are_the_contracts() -> None:
    assert ansible_names.FILE.read_text() == ansible_names.text(), "run: .venv/bin/python -m scripts.ansible_names"


def test_an_empty_inventory_is_refused_with_what_to_look_at(tmp_path: Path) -> None:
    for playbook in ("site.yml", "drain.yml", "diagnose.yml"):
        done = run(tmp_path, "ansible-playbook", "-i", "localhost,", playbook)
        assert done.returncode != 0
        assert "no instance runs in region us-east-1" in done.stdout.replace("\n", " ")


def refusal(folder: Path, role: str, variables: dict[str, object]) -> str:
    """What a play of one role says that does not get past its argument specs."""
    play = folder / "play.yml"
    play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "roles": [role]}]))
    extra = json.dumps({"ansible_python_interpreter": str(TOOLS / "python"), **variables})
    roles = str(ANSIBLE / "roles")
    command = ["-i", "localhost,", "-c", "local", str(play), "-e", extra]
    done = run(folder, "ansible-playbook", *command, ANSIBLE_ROLES_PATH=roles)
    assert done.returncode != 0
    assert "Validation of arguments failed" in done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("role", "variables", "said"),
    [
        ("service", {}, "missing required arguments: service_role, service_version"),
        (
            "service",
            {"service_role": "nodes", "service_version": "0" * 64},
            "must be one of: node, gateway, got: nodes",
        ),
        ("inference_node", {"inference_node_engine": "tensorrt"}, "must be one of: llama.cpp, vllm, stub"),
        ("inference_node", {"inference_node_stop_seconds": "long"}, "inference_node_stop_seconds"),
        ("gateway", {"gateway_restarts": [4]}, "gateway_restarts"),
    ],
)
def test_a_wrong_variable_is_refused_before_anything_is_done(
    tmp_path: Path, role: str, variables: dict[str, object], said: str
) -> None:
    assert said in refusal(tmp_path, role, variables)


UNITS = {
    "node": "inference_node/templates",
    "gateway": "gateway/templates",
    "cache": "model_cache/templates",
    "host": "service/files",
    "gpu": "nvidia_driver/files",
}
PROGRAMS = ("/usr/local/sbin/warmfleet-cache", "/usr/local/sbin/warmfleet-host", "/usr/bin/nvidia-smi")


@pytest.mark.parametrize("engine", ["llama.cpp", "vllm"])
def test_systemd_can_read_each_unit(tmp_path: Path, engine: str) -> None:
    """With this machine's own programs in the place of those that the roles install."""
    paths = [f"{folder}/warmfleet-{name}.service" for name, folder in UNITS.items()]
    units = rendered(tmp_path, paths, inference_node_engine=engine, service_python=str(TOOLS / "python"))
    for unit in units:
        text = unit.read_text()
        for each in PROGRAMS:
            text = text.replace(each, "/bin/true")
        unit.write_text(text)
    verify = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in verify.stderr.splitlines() if str(tmp_path) in line or "warmfleet-" in line]
    assert (verify.returncode, ours) == (0, []), verify.stderr


def test_every_unit_is_verified() -> None:
    found = {path.name for path in (ANSIBLE / "roles").rglob("warmfleet-*.service")}
    assert found == {f"warmfleet-{name}.service" for name in UNITS}


@pytest.mark.parametrize("engine", ["none", "vllm"])
def test_the_cloudwatch_agent_measures_groups_and_never_an_instance(tmp_path: Path, engine: str) -> None:
    path = "telemetry/templates/agent.json"
    (file,) = rendered(tmp_path, [path], inference_node_engine=engine, service_role="gateway")
    settings = json.loads(file.read_text())
    metrics = settings["metrics"]
    assert metrics["namespace"] == contract.NAMESPACE_HOSTS
    assert metrics["append_dimensions"] == {"AutoScalingGroupName": "${aws:AutoScalingGroupName}"}
    assert settings["agent"]["omit_hostname"] is True
    assert "InstanceId" not in file.read_text()
    assert ("nvidia_gpu" in metrics["metrics_collected"]) is (engine == "vllm")
    (journal,) = settings["logs"]["logs_collected"]["journald"]["collect_list"]
    assert journal["log_group_name"] == "@LOG_GROUP@"  # warmfleet-telemetry knows it at each boot
    assert "warmfleet-gateway.service" in journal["units"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.63") as served:
        yield served


def tagged(aws: LocalAws, **tags: str) -> str:
    given = [{"Key": f"warmfleet:{key}", "Value": value} for key, value in tags.items()]
    specification = {"ResourceType": "instance", "Tags": given}
    reply = aws.client("ec2").run_instances(
        ImageId="ami-1", InstanceType="g6.xlarge", MinCount=1, MaxCount=1, TagSpecifications=[specification]
    )
    aws.tick()
    return str(reply["Instances"][0]["InstanceId"])


def test_the_inventory_groups_running_instances_of_ours_alone(aws: LocalAws, tmp_path: Path) -> None:
    node = tagged(aws, role=contract.ROLE_NODE, environment="prod", model="small")
    gateway = tagged(aws, role=contract.ROLE_GATEWAY, environment="prod", connection="ssh")
    tagged(aws, environment="prod")
    gone = tagged(aws, role=contract.ROLE_NODE, environment="prod", model="small")
    aws.client("ec2").terminate_instances(InstanceIds=[gone])
    aws.tick()
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    done = run(tmp_path, "ansible-inventory", "--list", AWS_ENDPOINT_URL=aws.url, **keys)
    assert done.returncode == 0, textwrap.shorten(done.stderr, 2000)
    # Text that came from AWS is marked as not to be evaluated.
    found = json.loads(done.stdout, object_hook=lambda each: each.get("__ansible_unsafe", each))
    groups = {name: sorted(group.get("hosts", [])) for name, group in found.items() if name != "_meta"}
    assert groups["environment_prod"] == sorted([node, gateway])
    assert (groups["role_node"], groups["role_gateway"], groups["model_small"]) == ([node], [gateway], [node])
    assert groups["type_g6_xlarge"] == groups["lifecycle_on_demand"] == sorted([node, gateway])
    hosts = found["_meta"]["hostvars"]
    assert (hosts[node]["ansible_connection"], hosts[node]["ansible_host"]) == ("amazon.aws.aws_ssm", node)
    assert (hosts[gateway]["ansible_connection"], hosts[gateway]["service_role"]) == ("ssh", "gateway")
    assert hosts[gateway]["ansible_host"].startswith("127.63.")
    assert hosts[gateway]["ansible_user"] == "ubuntu"


@pytest.mark.parametrize(("limit", "refused"), [("role_node", True), ("role_gateway", False)])
def test_session_manager_without_a_bucket_is_refused_for_the_hosts_that_need_it(
    tmp_path: Path, limit: str, refused: bool
) -> None:
    inventory = {
        "role_node": {"hosts": {"i-1": {"ansible_connection": "amazon.aws.aws_ssm"}}},
        "role_gateway": {
            "hosts": {"i-2": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}},
        },
        "all": {"vars": {"service_role": limit.removeprefix("role_")}},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    command = ["-i", str(tmp_path / "hosts.yml"), "--limit", limit, "drain.yml"]
    done = run(tmp_path, "ansible-playbook", *command, WARMFLEET_TRANSFER_BUCKET="")
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert ("i-1 is reached through Session Manager, which moves files through a bucket" in said) is refused
    assert ("unreachable=1" in said) is not refused
