"""The process of one instance: started, restarted when it crashes, ended with the instance."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from inference_service import contract
from localcloud.admin import Instance
from localcloud.child import last_lines
from localcloud.cloud_state import Problem
from localcloud.environment import without_outside
from localcloud.places import make_private_folder
from localcloud.problems import Problems
from localcloud.processes import MARK, tied_to
from localcloud.user_data import read_variables

# As the service's systemd unit on AWS: Restart=on-failure, StartLimitBurst, StartLimitIntervalSec.
MOST_RESTARTS = 3
RESTART_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 1.0
STOP_SECONDS = 5.0  # from SIGTERM to SIGKILL
# Of the daemon's own environment a service gets these. The last one names the log of the tests' network guard.
PASSED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH", "TMPDIR", "LD_LIBRARY_PATH", "WARMFLEET_NETWORK_GUARD_LOG")

ROLES = (contract.ROLE_NODE, contract.ROLE_GATEWAY)

Command = Callable[[str], Sequence[str]]


def service_command(role: str) -> Sequence[str]:
    """The program of a role (contract.ROLE_NODE or ROLE_GATEWAY)."""
    return sys.executable, "-m", f"inference_service.{role}"


@dataclass(frozen=True)
class Machine:
    """What all instances of this cloud share."""

    endpoint_url: str
    folder: Path  # `.warmfleet`
    instances: Path
    base: Mapping[str, str]  # the daemon's environment
    command: Command = service_command


def service_environment(machine: Machine, instance: Instance) -> dict[str, str]:
    """What systemd and the instance's own surroundings give a service on AWS; no keys: metadata has the role's.

    Raises:
        UserDataError: the instance's user data has no readable block of variables.
    """
    given = {name: machine.base[name] for name in PASSED_ON if name in machine.base}
    variables = read_variables(instance.user_data)
    own = {
        "AWS_ENDPOINT_URL": machine.endpoint_url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{machine.endpoint_url}/_local/metadata/{instance.instance_id}",
        contract.VAR_BIND_ADDRESS: instance.address,
        contract.VAR_DATA_DIR: str(machine.instances / instance.instance_id / "data"),
        MARK: str(machine.folder),
    }
    region = {"AWS_REGION": variables[contract.VAR_REGION]} if contract.VAR_REGION in variables else {}
    return without_outside(given) | variables | own | region


def processes(machine: Machine, problems: Problems) -> "Callable[[Instance], ServiceProcess | None]":
    """What makes a process of each instance that has a role."""

    def make(instance: Instance) -> ServiceProcess | None:
        role = instance.tags.get(contract.TAG_ROLE)
        if role not in ROLES:
            structlog.get_logger().info("instance without a role runs nothing", instance=instance.instance_id, tag=role)
            return None
        return ServiceProcess(machine, instance, problems)

    return make


def may_restart(crashes: Sequence[float], now: float) -> bool:
    """Whether a service that has crashed at these times, the last one now, is started once more."""
    return sum(now - each < RESTART_WINDOW_SECONDS for each in crashes) <= MOST_RESTARTS


class ServiceProcess:
    """Runs from `start` until the service has stopped by itself, has crashed too often, or `stop`."""

    def __init__(self, machine: Machine, instance: Instance, problems: Problems) -> None:
        self._machine = machine
        self._instance = instance
        self._problems = problems
        self._folder = machine.instances / instance.instance_id
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger().bind(instance=instance.instance_id)

    def start(self) -> None:
        """Raises UserDataError when the instance does not say what to run."""
        # A process boots no operating system: it begins when it is started.
        booted = {contract.VAR_BOOTED_AT: f"{time.time():.2f}"}
        environment = service_environment(self._machine, self._instance) | booted
        command = self._machine.command(self._instance.tags[contract.TAG_ROLE])
        self._task = asyncio.create_task(self._run(command, environment))

    async def stop(self, *, remove_data: bool) -> None:
        """End the process, its children too; the log stays."""
        self._stopping.set()
        if self._task:
            await asyncio.wait([self._task])
        if remove_data:
            await asyncio.to_thread(shutil.rmtree, self._folder / "data", ignore_errors=True)
        self._problems.clear(self._instance.instance_id)

    def hasten(self) -> None:
        """Its end takes seconds anyway."""

    def reboot(self) -> None:
        """A process has no operating system of its own."""
        self._log.warning("RebootInstances does nothing where instances are processes")

    async def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        crashes: list[float] = []
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            try:
                code = await self._run_once(command, environment)
            except OSError as error:
                self._give_up(f"cannot be started: {error}")
                return
            if code == 0 or self._stopping.is_set():
                self._log.info("service has stopped", code=code)
                return
            crashes.append(clock())
            if not may_restart(crashes, clock()):
                window = f"{RESTART_WINDOW_SECONDS:g} s"
                said = last_lines(self._folder / "stdout.log", 1).strip()
                self._give_up(f"ended with code {code}, crash {len(crashes)} within {window}; its last words: {said}")
                return
            self._log.warning("service crashed and is started again", code=code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RESTART_PAUSE_SECONDS)

    async def _run_once(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Returns the exit code, after the process has ended by itself or has been ended by `stop`."""
        make_private_folder(self._folder / "data")
        with (self._folder / "stdout.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self._folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied_to(os.getpid()),
            )
        self._log.info("service started", pid=process.pid, address=self._instance.address)
        ended, stopping = asyncio.create_task(process.wait()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await _end(process)
        return await ended

    def _give_up(self, text: str) -> None:
        path = self._folder / "stdout.log"
        remedy = f"`make up` replaces the instance; all that it said is in {path}"
        self._problems.set(Problem(self._instance.instance_id, f"its service {text}", remedy))


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, then SIGKILL for it and all that it started, in sessions of their own too."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            break
    for child in family:
        try:
            child.kill()  # psutil checks that the id is not another process's by now
        except psutil.Error:
            continue
