"""A cloud of real processes: start, stop, and every way to be killed. Its parts are stand-ins."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from local_cloud_making import eventually, instance

from localcloud import control
from localcloud.errors import LocalCloudError
from localcloud.places import Places
from localcloud.processes import MARK, ProcessIdentity, identity, marked

STARTER = """
import os, sys
from pathlib import Path
from localcloud import control
modules = control.Modules("stand_in_aws", "stand_in_provider", "stand_in_service.{role}")
try:
    control.start(Path(sys.argv[1]), report=print, modules=modules)
except KeyboardInterrupt:
    sys.exit(7)
"""


def processes(root: Path) -> list[ProcessIdentity]:
    """Every process of the cloud of a checkout."""
    return list(marked(Places.of(root).folder))


def named(root: Path, name: str) -> list[int]:
    found = [psutil.Process(each.pid) for each in processes(root)]
    return [each.pid for each in found if each.cmdline()[1:3] == ["-m", name]]


def nothing_runs(root: Path) -> bool:
    return processes(root) == []


def test_a_second_start_finds_the_running_cloud(cloud: Any) -> None:
    assert control.running(cloud.root) is None
    state = cloud.start()
    assert cloud.start() == state == control.running(cloud.root)
    assert len(named(cloud.root, "localcloud.daemon")) == 1
    assert state.endpoint_url.startswith(f"http://{state.address_prefix}.0.1:")
    assert state.region == "us-east-1"


def test_two_starts_at_once_make_one_cloud(cloud: Any) -> None:
    states: list[Any] = []
    threads = [threading.Thread(target=lambda: states.append(cloud.start())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(states) == 3
    assert len(set(states)) == 1
    assert len(named(cloud.root, "localcloud.daemon")) == 1


def test_stop_ends_everything_and_a_second_stop_says_that_nothing_runs(cloud: Any) -> None:
    state = cloud.start()
    cloud.set_instances([instance(state.address_prefix)])
    eventually(cloud.services, "the service")
    cloud.stop()
    assert nothing_runs(cloud.root)
    assert control.running(cloud.root) is None
    assert not (cloud.root / ".warmfleet/cloud.json").exists()
    assert (cloud.root / f".warmfleet/instances/i-{1:017x}/stdout.log").read_text() == "start 1\n"
    cloud.reports.clear()
    cloud.stop()
    assert cloud.reports == ["no local cloud is running"]


def test_stop_in_a_fresh_checkout_makes_no_folder(cloud: Any) -> None:
    cloud.stop()
    assert cloud.reports == ["no local cloud is running"]
    assert list(cloud.root.iterdir()) == []


@pytest.mark.parametrize("part", ["localcloud.daemon", "stand_in_aws", "stand_in_provider"])
def test_a_part_that_is_killed_takes_everything_with_it_and_the_next_start_works(cloud: Any, part: str) -> None:
    first = cloud.start()
    cloud.set_instances([instance(first.address_prefix, WARMFLEET_ACT="serve")])
    eventually(cloud.services, "the service")
    (pid,) = named(cloud.root, part)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: nothing_runs(cloud.root), "the end of every process")
    assert control.running(cloud.root) is None
    assert (cloud.root / ".warmfleet/cloud.json").exists() == (part == "localcloud.daemon")
    second = cloud.start()
    assert second.run_id != first.run_id
    assert control.running(cloud.root) == second
    assert cloud.services() == []  # the killed cloud's data is gone, its instances are as well


def test_why_the_cloud_ended_stays_readable_after_the_next_start(cloud: Any) -> None:
    cloud.start()
    os.kill(named(cloud.root, "stand_in_aws")[0], signal.SIGKILL)
    eventually(lambda: nothing_runs(cloud.root), "the end of every process")
    cloud.start()
    log = (cloud.root / ".warmfleet/logs/daemon.previous.log").read_text()
    assert "the AWS process ended with code -9" in log


def test_two_checkouts_have_clouds_of_their_own(cloud: Any, tmp_path: Path) -> None:
    other = type(cloud)(tmp_path / "other", cloud.environ)
    other.root.mkdir()
    try:
        one, two = cloud.start(), other.start()
        assert one.address_prefix != two.address_prefix
        cloud.stop()
        assert control.running(other.root) == two
        assert len(processes(other.root)) == 3
    finally:
        other.stop()


def test_a_state_file_of_a_dead_or_reused_process_id_counts_for_nothing(cloud: Any) -> None:
    state = cloud.start()
    document = json.loads((cloud.root / ".warmfleet/cloud.json").read_text())
    cloud.stop()
    document |= {"daemon_pid": os.getpid()}  # lives, but did not start then
    (cloud.root / ".warmfleet/cloud.json").write_text(json.dumps(document))
    assert control.running(cloud.root) is None
    cloud.stop()
    (cloud.root / ".warmfleet/cloud.json").write_text("{half")
    assert control.running(cloud.root) is None
    assert cloud.start().run_id != state.run_id


def test_a_cloud_whose_folder_was_removed_is_ended(cloud: Any) -> None:
    cloud.start()
    subprocess.run(["rm", "-rf", str(cloud.root / ".warmfleet")], check=True)
    assert control.running(cloud.root) is None
    cloud.stop()
    assert nothing_runs(cloud.root)
    assert cloud.reports[-1] == "ended 3 processes of a local cloud"


def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(cloud: Any) -> None:
    with pytest.raises(LocalCloudError) as caught:
        cloud.start(environ={"STAND_IN_AWS": "fails"})
    assert "the AWS process (python -m stand_in_aws) ended with code 1 before it listened" in str(caught.value)
    assert "no moto today" in str(caught.value)
    assert nothing_runs(cloud.root)
    assert cloud.start()


def test_a_start_that_takes_too_long_leaves_nothing_behind(cloud: Any) -> None:
    with pytest.raises(LocalCloudError, match="it was not ready within 1 s"):
        cloud.start(environ={"STAND_IN_AWS": "hangs"}, timeout_seconds=1)
    assert nothing_runs(cloud.root)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 7), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_start_leaves_nothing_behind(cloud: Any, number: signal.Signals, code: int) -> None:
    environ = cloud.environ | {"STAND_IN_AWS": "hangs"}
    with subprocess.Popen([sys.executable, "-c", STARTER, str(cloud.root)], env=environ) as starter:
        eventually(lambda: named(cloud.root, "stand_in_aws"), "a start half done")
        starter.send_signal(number)
        assert starter.wait(20) == code
    eventually(lambda: nothing_runs(cloud.root), "the end of every process")
    assert control.running(cloud.root) is None
    assert cloud.start()


def test_the_daemon_outlives_the_command_and_the_terminal_that_started_it(cloud: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(cloud.root)], env=cloud.environ, start_new_session=True
    ) as starter:
        assert starter.wait(20) == 0
    state = control.running(cloud.root)
    assert state
    daemon = psutil.Process(state.daemon_pid)
    assert daemon.ppid() == 1
    assert os.getsid(state.daemon_pid) != starter.pid
    assert daemon.terminal() is None


def test_nobody_else_can_read_what_the_cloud_keeps(cloud: Any) -> None:
    before = os.umask(0o000)
    try:
        (cloud.root / ".warmfleet").mkdir(mode=0o777)
        state = cloud.start()
    finally:
        os.umask(before)
    cloud.set_instances([instance(state.address_prefix)])
    eventually(cloud.services, "the service")
    open_to_others = [str(each) for each in (cloud.root / ".warmfleet").rglob("*") if each.stat().st_mode & 0o077]
    assert open_to_others == []
    assert (cloud.root / ".warmfleet").stat().st_mode & 0o777 == 0o700


def test_nothing_of_the_users_accounts_reaches_a_process_of_the_cloud(cloud: Any) -> None:
    cloud.start(environ={"AWS_PROFILE": "production", "AWS_SECRET_ACCESS_KEY": "real", "HTTPS_PROXY": "http://proxy"})
    for process in processes(cloud.root):
        environ = psutil.Process(process.pid).environ()
        assert not {"AWS_PROFILE", "HTTPS_PROXY"} & set(environ)
        assert "real" not in environ.values()
        assert environ[MARK] == str(cloud.root / ".warmfleet")


def test_a_disk_without_room_is_said_plainly(cloud: Any) -> None:
    (cloud.root / ".warmfleet").write_text("a file in the way")
    with pytest.raises(LocalCloudError, match=r"the local cloud cannot start: .*disk space and write access"):
        cloud.start()
    (cloud.root / ".warmfleet").unlink()


def test_an_idle_cloud_uses_next_to_no_processor_time(cloud: Any) -> None:
    """The daemon waits for events: it does not ask again and again."""
    state = cloud.start()
    daemon = psutil.Process(state.daemon_pid)
    before = daemon.cpu_times()
    assert daemon.num_threads() < 10
    switches = daemon.num_ctx_switches().voluntary
    eventually(lambda: identity(state.daemon_pid))
    threading.Event().wait(2)
    after = daemon.cpu_times()
    assert (after.user + after.system) - (before.user + before.system) <= 0.04
    assert daemon.num_ctx_switches().voluntary - switches < 60


def test_commands_that_only_ask_load_no_server() -> None:
    """`warmfleet status` imports control: aiohttp and uvloop would cost it a quarter of a second."""
    show = "import sys, localcloud.control; print({'aiohttp', 'uvloop', 'structlog', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
