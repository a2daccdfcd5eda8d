"""Instances of the local cloud as hosts, whatever they run: boot, metadata, network, stop, reboot, leftovers."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import control
from localcloud.cloud_state import CloudState
from localcloud.environment import aws_environment
from localcloud.hosts.rootfs import root_file_system
from localcloud.hosts.tools import missing_tools
from localcloud.processes import end
from scripts.pulumi_build import cache_home
from tests.nodes.host import CloudsHost, left
from tests.scratch_checkout import eventually

soon = partial(eventually, seconds=60)

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(200)]

TOKEN = "curl -sS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token"
ASK = "curl -sS -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/instance-id"
# Run once per instance, not once per boot.
COUNT = "#!/bin/sh\necho ran >>/var/lib/count\necho what it says; echo $AWS_ENDPOINT_URL >/var/lib/endpoint\n"


@dataclass
class Cloud:
    root: Path
    state: CloudState

    @property
    def ec2(self) -> Any:
        environ = aws_environment(self.state, {})
        session = boto3.Session(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        return session.client("ec2", endpoint_url=self.state.endpoint_url)

    def launch(self, user_data: str = COUNT, **more: Any) -> str:
        asked = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "UserData": user_data, **more}
        reply = self.ec2.run_instances(**asked)
        return str(reply["Instances"][0]["InstanceId"])

    def instance(self, instance_id: str) -> dict[str, Any]:
        (found,) = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        described: dict[str, Any] = found["Instances"][0]
        return described

    def becomes(self, instance_id: str, state: str) -> None:
        soon(lambda: self.instance(instance_id)["State"]["Name"] == state, f"{instance_id} {state}")

    def host(self, instance_id: str) -> CloudsHost:
        return CloudsHost.of(self.root, instance_id)


def machines_network() -> str:
    """Addresses and routes of this machine itself."""
    shown = [["ip", "-brief", "address"], ["ip", "route", "show", "table", "all"]]
    return "".join(subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in shown)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    if lacks := missing_tools():
        pytest.skip("; ".join(lacks))
    root, before = tmp_path_factory.mktemp("hosts"), machines_network()
    base = root_file_system(cache_home(os.environ))
    try:
        made = Cloud(root, control.start(root, report=print, hosts_base=base))
        yield made
        assert machines_network() == before
    finally:
        control.stop(root, report=print)
    assert left(root) == []


@pytest.fixture(scope="module")
def host(cloud: Cloud) -> CloudsHost:
    return cloud.host(cloud.launch()).settled()


def test_a_host_runs_all_of_its_user_data_with_the_clouds_endpoint_and_its_console_tells(
    cloud: Cloud, host: CloudsHost
) -> None:
    assert host.run("cat", "/var/lib/count") == "ran\n"
    assert host.run("cat", "/var/lib/endpoint").startswith("http://198.1")
    log = cloud.root / ".warmfleet/instances" / host.container.name / "stdout.log"
    soon(lambda: "what it says" in log.read_text(), "user data's words on the console")


def test_metadata_is_at_its_real_address_and_wants_a_token(cloud: Cloud, host: CloudsHost) -> None:
    assert host.run("sh", "-c", ASK) == "401"
    line = f'curl -sS -H "X-aws-ec2-metadata-token: $({TOKEN})" http://169.254.169.254/latest/meta-data/instance-id'
    assert host.run("sh", "-c", line) == host.container.name
    address = cloud.instance(host.container.name)["PrivateIpAddress"]
    assert host.run("hostname").strip() == f"ip-{address.replace('.', '-')}"


def test_hosts_reach_each_other_and_nothing_outside(cloud: Cloud, host: CloudsHost) -> None:
    other = cloud.host(cloud.launch()).settled()
    address = cloud.instance(other.container.name)["PrivateIpAddress"]
    assert host.run("bash", "-c", f"head -c 4 < /dev/tcp/{address}/22") == "SSH-"
    routes = host.run("ip", "route").split("\n")
    assert not [each for each in routes if each.startswith("default")]
    cloud.ec2.terminate_instances(InstanceIds=[other.container.name])
    soon(
        lambda: not [each for each in left(cloud.root) if other.container.name in each], "the end of a terminated host"
    )
    assert not other.container.folder.exists()


def test_rebootinstances_boots_a_host_again_and_its_user_data_runs_no_second_time(
    cloud: Cloud, host: CloudsHost
) -> None:
    before = host.init()
    host.run("touch", "/var/lib/kept", "/run/lost")
    cloud.ec2.reboot_instances(InstanceIds=[host.container.name])
    soon(lambda: host.init() not in (before, None), "another process 1")
    host.settled()
    assert host.run("cat", "/var/lib/count") == "ran\n"
    assert host.run("sh", "-c", "ls /var/lib/kept /run/lost 2>&1 || true").count("No such file") == 1


def test_a_stopped_instances_disk_is_there_when_it_starts_again(cloud: Cloud, host: CloudsHost) -> None:
    host.run("touch", "/var/lib/stopped")
    cloud.ec2.stop_instances(InstanceIds=[host.container.name])
    soon(lambda: host.init() is None, "the host's end")
    cloud.ec2.start_instances(InstanceIds=[host.container.name])
    soon(lambda: host.init(), "the host again")
    assert host.settled().run("sh", "-c", "ls /var/lib/stopped; cat /var/lib/count") == "/var/lib/stopped\nran\n"


def test_an_image_has_what_its_builder_changed_and_what_it_removed(cloud: Cloud) -> None:
    change = "rm -r /usr/share/doc/sudo /etc/issue; mkdir /usr/share/doc/sudo; echo mine >/etc/mine; systemctl poweroff"
    builder = cloud.launch(f"#!/bin/sh\n{change}\n", InstanceInitiatedShutdownBehavior="stop")
    cloud.becomes(builder, "stopped")
    assert "running in system mode" in cloud.ec2.get_console_output(InstanceId=builder)["Output"]
    image = cloud.ec2.create_image(InstanceId=builder, Name="mine")["ImageId"]
    soon(lambda: cloud.ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available", "the image")
    cloud.ec2.terminate_instances(InstanceIds=[builder])
    made = cloud.host(cloud.launch(ImageId=image)).settled()
    assert made.run("cat", "/etc/mine", "/var/lib/count") == "mine\nran\n"
    assert made.run("sh", "-c", "ls /usr/share/doc/sudo; ls /etc/issue 2>&1 || true").count("No such file") == 1


@pytest.mark.parametrize(("behavior", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_host_that_powers_itself_off_is_no_longer_running(cloud: Cloud, behavior: str, state: str) -> None:
    script = "#!/bin/sh\nsystemctl poweroff\n"
    made = cloud.launch(script, InstanceInitiatedShutdownBehavior=behavior)
    cloud.becomes(made, state)
    soon(lambda: not [each for each in left(cloud.root) if made in each], "its end here")
    assert cloud.host(made).container.folder.exists() is (state == "stopped")
    assert control.problems(cloud.root) == []


def test_user_data_that_fails_is_a_problem_with_its_last_words(cloud: Cloud) -> None:
    made = cloud.launch("#!/bin/sh\necho there is no bundle >&2\nexit 3\n")
    (problem,) = soon(lambda: control.problems(cloud.root), "the problem")
    assert problem.resource == made
    assert "user data ended with code 3" in problem.text
    assert problem.text.endswith("its last words: there is no bundle")
    cloud.ec2.terminate_instances(InstanceIds=[made])
    soon(lambda: control.problems(cloud.root) == [], "the problem's end")


def test_what_a_killed_cloud_leaves_is_removed_by_the_next_command(tmp_path: Path, cloud: Cloud) -> None:
    base = root_file_system(cache_home(os.environ))
    killed = Cloud(tmp_path, control.start(tmp_path, report=print, hosts_base=base))
    killed.host(killed.launch()).settled()
    end(killed.state.daemon, signal.SIGKILL, 10)
    assert len(left(tmp_path)) > 3
    control.stop(tmp_path, report=print)
    assert left(tmp_path) == []
    assert left(cloud.root) != []  # another checkout's hosts stay
