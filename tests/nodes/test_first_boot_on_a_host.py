"""What the playbook does to a real systemd host, from its first boot by user data."""

import hashlib
import re
import shutil
import time
import urllib.request

import pytest

from inference_service import contract
from infra.stack import BUNDLE_FOLDER
from tests.aws.first_boot.cases import SETTINGS
from tests.nodes.conftest import Instance, Launch
from tests.nodes.host import BOOT_SECONDS

HOST = "/run/warmfleet/host.env"  # in memory: only the host itself sees it
BUNDLES = "opt/warmfleet/bundles"

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]


def port_of(role: str) -> int:
    return contract.NODE_PORT if role == contract.ROLE_NODE else SETTINGS.gateway_instance_port


def lives(instance: Instance, role: str) -> int:
    """The first answer of its service's liveness check."""
    url = f"http://{instance.address}:{port_of(role)}{contract.PATH_HEALTH}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(instance.host.run("journalctl", "-n", "60", "--no-pager").stdout)


def recap(said: str, name: str = "localhost") -> dict[str, int]:
    (line,) = re.findall(rf"^{name} +: (.*)$", said, re.M)
    return {name: int(count) for name, count in (pair.split("=") for pair in line.split())}


@pytest.mark.parametrize("role", [contract.ROLE_GATEWAY, contract.ROLE_NODE])
def test_user_data_brings_a_fresh_host_to_a_running_service(role: str, request: pytest.FixtureRequest) -> None:
    instance = request.getfixturevalue(role)
    assert lives(instance, role) == 200
    booted = dict(each.split("=") for each in instance.host.run("cat", HOST).stdout.splitlines())
    after_seconds = float(booted[contract.VAR_BOOTED_AT]) - instance.host.booted_at
    assert -1 < after_seconds < BOOT_SECONDS  # this boot's, not this machine's
    shown = instance.host.run("systemctl", "show", "-p", "User,NRestarts", f"warmfleet-{role}.service").stdout
    assert shown.split() == ["User=warmfleet", "NRestarts=0"] or shown.split() == ["NRestarts=0", "User=warmfleet"]


def test_a_second_run_of_the_playbook_changes_nothing(gateway: Instance) -> None:
    counts = recap(gateway.play())
    assert (counts["changed"], counts["failed"]) == (0, 0)


def test_site_yml_changes_nothing_on_a_host_that_is_as_it_should_be(gateway: Instance) -> None:
    said = gateway.site()
    counts = recap(said, "here")
    assert (counts["changed"], counts["failed"], counts["unreachable"]) == (0, 0, 0), said


def test_site_yml_repairs_what_was_altered(gateway: Instance) -> None:
    unit = gateway.host.root / "etc/systemd/system/warmfleet-gateway.service"
    right = unit.read_text()
    unit.write_text(right.replace("NoNewPrivileges=yes\n", ""))
    shown = gateway.site("--check", "--diff")
    assert "+NoNewPrivileges=yes" in shown
    assert "Restart the gateway" in shown
    assert unit.read_text() != right
    assert recap(gateway.site(), "here")["failed"] == 0
    assert unit.read_text() == right


def test_drain_yml_stops_only_hosts_that_are_named_and_site_yml_puts_them_back(gateway: Instance) -> None:
    assert "name the hosts with --limit" in gateway.site(playbook="drain.yml").replace("\n", " ")
    assert recap(gateway.site("--limit", "here,localhost", playbook="drain.yml"), "here")["changed"] == 1
    assert gateway.host.run("systemctl", "is-active", "warmfleet-gateway.service", check=False).stdout == "inactive\n"
    assert recap(gateway.site("--check"), "here")["changed"] == 1  # it would be started
    assert recap(gateway.site(), "here")["failed"] == 0
    assert lives(gateway, contract.ROLE_GATEWAY) == 200


def test_a_diagnosis_says_much_and_no_secret(gateway: Instance) -> None:
    line = "journalctl would show Authorization: Bearer abc.def and AKIAIOSFODNN7EXAMPLE"  # more: test_diagnosis.py
    gateway.host.write("/var/log/cloud-init-output.log", line + "\n")
    said = gateway.site("-e", "diagnose_folder=/srv/diagnosis", playbook="diagnose.yml")
    assert recap(said, "here")["failed"] == 0, said
    text = (gateway.host.root / "srv/diagnosis/here.txt").read_text()
    assert "warmfleet-gateway.service" in text
    assert "journalctl would show" in text
    assert "[removed]" in text
    assert not [secret for secret in ("abc.def", "AKIAIOSFODNN7EXAMPLE") if secret in text]


def test_a_first_boot_of_a_configured_host_runs_no_playbook(gateway: Instance) -> None:
    assert "PLAY" not in gateway.first_boot()


def test_check_mode_on_a_fresh_host_fails_nowhere(launch: Launch, gateway: Instance) -> None:
    fresh = launch(contract.ROLE_GATEWAY)
    shutil.copytree(gateway.host.root / BUNDLES, fresh.host.root / BUNDLES)  # it runs the playbook from there
    said = fresh.play("--check", "--diff")
    assert recap(said)["failed"] == 0, said
    assert not (fresh.host.root / "etc/systemd/system/warmfleet-gateway.service").exists()


@pytest.mark.parametrize("role", [contract.ROLE_GATEWAY, contract.ROLE_NODE])
def test_a_long_running_unit_exposes_little(role: str, request: pytest.FixtureRequest) -> None:
    """systemd's own score: 0 is closed, 10 is open."""
    instance = request.getfixturevalue(role)
    said = instance.host.run("systemd-analyze", "security", "--no-pager", f"warmfleet-{role}.service").stdout
    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert float(score) <= 3.0, said


def test_files_and_folders_belong_to_whom_they_should(node: Instance) -> None:
    paths = ["/etc/warmfleet/service.env", "/run/warmfleet/host.env", "/opt/warmfleet/releases", "/var/lib/warmfleet"]
    said = node.host.run("stat", "-c", "%n %U %a", *paths).stdout.splitlines()
    assert said == [
        "/etc/warmfleet/service.env root 644",
        "/run/warmfleet/host.env root 644",
        "/opt/warmfleet/releases root 755",
        "/var/lib/warmfleet warmfleet 750",
    ]
    assert node.host.run("sh", "-c", "ls -A /opt/warmfleet").stdout.split() == ["bundles", "releases"]


def test_a_killed_service_is_started_again(node: Instance) -> None:
    assert lives(node, contract.ROLE_NODE) == 200
    node.host.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "warmfleet-node.service")
    deadline = time.monotonic() + 30
    while "NRestarts=1" not in node.host.run("systemctl", "show", "-p", "NRestarts", "warmfleet-node.service").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert lives(node, contract.ROLE_NODE) == 200


def test_the_service_is_back_after_a_reboot(gateway: Instance) -> None:
    before = gateway.host.run("cat", HOST).stdout
    gateway.host.reboot()
    assert lives(gateway, contract.ROLE_GATEWAY) == 200
    assert gateway.host.run("cat", HOST).stdout != before  # with the time of this boot


def test_a_wheel_of_another_hash_is_refused_and_what_runs_stays(gateway: Instance) -> None:
    assert lives(gateway, contract.ROLE_GATEWAY) == 200  # else it would still be loading what is moved away
    (wheel,) = (gateway.host.root / BUNDLES / gateway.version / "wheels").glob("aiohttp-*cp311*.whl")
    releases = gateway.host.root / "opt/warmfleet/releases"
    (release,) = releases.iterdir()
    right, kept = wheel.read_bytes(), releases.parent / "kept"
    release.rename(kept)
    wheel.write_bytes(right + b"x")
    try:
        said = gateway.play()
        assert recap(said)["failed"] == 1
        assert "is not installed" in said
        assert list(releases.iterdir()) == []  # nothing half-done
    finally:
        wheel.write_bytes(right)
        kept.rename(release)
    assert lives(gateway, contract.ROLE_GATEWAY) == 200


def test_site_yml_brings_another_bundle_and_refuses_one_that_is_not_what_its_version_says(
    launch: Launch,
) -> None:
    """The second bundle is the first with one more space in its manifest."""
    instance = launch(contract.ROLE_GATEWAY)
    instance.first_boot()
    folder, manifest = instance.host.root / "srv/bundle", (BUNDLE_FOLDER / "manifest.json").read_bytes() + b" "
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest)
    shutil.copy(BUNDLE_FOLDER / "bundle.tar.gz", folder)
    version = hashlib.sha256(manifest).hexdigest()

    refused = instance.site("-e", f"service_version={'0' * 64}", "-e", "service_bundle_source=/srv/bundle")
    assert (recap(refused, "here")["failed"], recap(refused, "here")["changed"]) == (1, 0)
    assert f"manifest.json has the SHA-256 {version}" in " ".join(refused.split())
    assert lives(instance, contract.ROLE_GATEWAY) == 200

    said = instance.site("-e", f"service_version={version}", "-e", "service_bundle_source=/srv/bundle")
    assert recap(said, "here")["failed"] == 0, said
    shown = instance.host.run("systemctl", "show", "-p", "Environment", "warmfleet-gateway.service").stdout
    assert f"/opt/warmfleet/releases/{version}-gateway" in shown
    assert f"WARMFLEET_SERVICE_VERSION='{version}'" in (instance.host.root / "etc/warmfleet/service.env").read_text()
    assert lives(instance, contract.ROLE_GATEWAY) == 200
    assert recap(instance.site(), "here")["changed"] == 0


def test_tags_configure_one_role_and_claim_no_more(gateway: Instance) -> None:
    note = gateway.host.root / "etc/warmfleet/configured"
    told = note.read_text()
    note.unlink()
    said = gateway.site("--tags", "gateway")
    assert (recap(said, "here")["failed"], note.exists()) == (0, False), said
    assert recap(gateway.site(), "here")["changed"] == 1
    assert note.read_text() == told


def test_a_host_that_has_not_come_through_its_first_boot_is_refused_with_what_to_do(
    launch: Launch, gateway: Instance
) -> None:
    fresh = launch(contract.ROLE_GATEWAY)
    shutil.copytree(gateway.host.root / BUNDLES, fresh.host.root / BUNDLES)  # it runs the playbook from there
    said = " ".join(fresh.site().split())
    assert "here has not come through its first boot: wait for it, look into its /var/log/cloud-init-output.log" in said
