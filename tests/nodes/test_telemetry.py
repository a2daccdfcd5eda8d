"""What a CloudWatch agent starts with; a unit that only sleeps plays the agent."""

import json

import pytest

from tests.nodes.conftest import PLACES, Instance
from tests.nodes.test_first_boot_on_a_host import recap

AGENT = "amazon-cloudwatch-agent.service"
SETTINGS = "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d/warmfleet.json"

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]


def test_an_agent_starts_with_its_instances_group_of_logs_and_a_host_without_one_is_left_alone(
    gateway: Instance,
) -> None:
    tags = ["--tags", "telemetry"]  # alone: what the role needs of others it gets whatever the tags
    assert recap(gateway.play(*tags))["changed"] == 0
    assert not (gateway.host.root / "etc/warmfleet/telemetry.json").exists()
    gateway.host.run("mkdir", "-p", "/opt/aws/amazon-cloudwatch-agent/bin")
    gateway.host.write(
        f"/etc/systemd/system/{AGENT}",
        "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    )
    said = gateway.play(*tags)
    assert recap(said)["failed"] == 0, said
    (journal,) = json.loads((gateway.host.root / SETTINGS).read_text())["logs"]["logs_collected"]["journald"][
        "collect_list"
    ]
    assert journal["log_group_name"] == PLACES.log_group
    assert journal["units"][0] == "warmfleet-gateway.service"
    assert gateway.host.run("systemctl", "is-active", AGENT).stdout == "active\n"
    assert recap(gateway.play(*tags))["changed"] == 0


def test_an_agent_of_a_baked_image_starts_with_the_service(gateway: Instance) -> None:
    """A first boot starts the service alone; at the boot itself the agent found no settings, and stayed down."""
    gateway.host.run("systemctl", "stop", AGENT, "warmfleet-gateway.service")
    gateway.host.run("systemctl", "start", "warmfleet-gateway.service")
    assert gateway.host.run("systemctl", "is-active", AGENT).stdout == "active\n"
