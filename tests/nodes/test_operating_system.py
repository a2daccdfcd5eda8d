"""What the role `baseline` leaves on a real systemd host."""

import pytest

from tests.nodes.conftest import Instance
from tests.nodes.test_first_boot_on_a_host import recap

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]

KERNEL = "/etc/sysctl.d/60-warmfleet.conf"
MODULES = "/etc/modprobe.d/warmfleet.conf"


def ask(instance: Instance, *command: str) -> str:
    return instance.host.run(*command, check=False).stdout


def test_each_service_reads_the_settings_that_it_was_given(gateway: Instance) -> None:
    journal = ask(gateway, "systemd-analyze", "cat-config", "systemd/journald.conf")
    assert "SystemMaxUse=1024M" in journal
    upgrades = ask(gateway, "apt-config", "dump").splitlines()
    assert 'Unattended-Upgrade::Package-Blacklist:: "nvidia-";' in upgrades
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in upgrades
    origins = [
        line for line in upgrades if line.startswith(("Unattended-Upgrade::Origins", "Unattended-Upgrade::Allow"))
    ]
    assert [line for line in origins if "label=Debian-Security" in line]
    assert not [line for line in origins if "updates" in line or 'label=Debian"' in line]  # the image's own are gone
    assert "kernel.panic = 10" in ask(gateway, "systemd-analyze", "cat-config", "sysctl.d")
    assert "169.254.169.123" in ask(gateway, "chronyd", "-p", "-f", "/etc/chrony/sources.d/warmfleet.sources")


def test_unattended_upgrades_accepts_its_settings_and_holds_the_kernel(gateway: Instance) -> None:
    said = gateway.host.run("unattended-upgrade", "--dry-run", "--debug").stdout
    assert "Package-Blacklist" in said or "blacklist" in said.lower()
    assert "linux-" in said


def test_the_settings_are_roots_and_can_be_read(gateway: Instance) -> None:
    paths = [KERNEL, "/etc/apt/apt.conf.d/60warmfleet", "/etc/chrony/sources.d/warmfleet.sources"]
    said = ask(gateway, "stat", "-c", "%U %G %a", *paths).splitlines()
    assert said == ["root root 644"] * len(paths)


def test_there_is_no_ssh_where_session_manager_is_the_way(gateway: Instance) -> None:
    gateway.host.run("systemctl", "enable", "--now", "ssh.service")
    assert recap(gateway.play("--tags", "baseline"))["changed"] == 1
    assert ask(gateway, "systemctl", "is-active", "ssh.service", "ssh.socket").split() == ["inactive"] * 2
    assert ask(gateway, "systemctl", "is-enabled", "ssh.service", "ssh.socket").split() == ["disabled"] * 2
    assert recap(gateway.play("--tags", "baseline", "-e", "baseline_connection=ssh"))["failed"] == 0
    assert ask(gateway, "systemctl", "is-active", "ssh.service").strip() == "active"
    assert recap(gateway.play("--tags", "baseline"))["failed"] == 0


def test_a_hardening_switch_takes_away_what_it_wrote_and_brings_it_back(gateway: Instance) -> None:
    kernel, modules = (gateway.host.root / each.lstrip("/") for each in (KERNEL, MODULES))
    off = ["--tags", "baseline", "-e", "baseline_hardening_kernel=false", "-e", "baseline_hardening_modules=false"]
    assert recap(gateway.play(*off, "--check"))["failed"] == 0
    assert ("kernel.kptr_restrict = 2" in kernel.read_text(), modules.exists()) == (True, True)
    assert recap(gateway.play(*off))["changed"] > 0
    assert ("kernel.kptr_restrict" in kernel.read_text(), modules.exists()) == (False, False)
    assert "accept_redirects = 0" in kernel.read_text()  # another switch's
    assert recap(gateway.play("--tags", "baseline"))["failed"] == 0
    assert ("kernel.kptr_restrict = 2" in kernel.read_text(), modules.exists()) == (True, True)
    assert recap(gateway.play("--tags", "baseline"))["changed"] == 0


def test_an_image_without_chrony_is_refused_with_the_remedy(gateway: Instance) -> None:
    gateway.host.run("mv", "/usr/share/doc/chrony", "/srv/chrony")
    try:
        said = gateway.play("--tags", "baseline")
    finally:
        gateway.host.run("mv", "/srv/chrony", "/usr/share/doc/chrony")
    assert recap(said)["failed"] == 1
    assert "has no chrony; packages are fetched only while an image is baked" in " ".join(said.split())
