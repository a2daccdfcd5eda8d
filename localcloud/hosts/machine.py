"""One instance as a host: booted, booted again when it asks for it, powered off, ended with the instance."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from localcloud.admin import Instance
from localcloud.child import last_lines
from localcloud.cloud_state import Problem
from localcloud.errors import AdminError, LocalCloudError
from localcloud.hosts.container import POWER_OFF, REBOOT, UPPER, Container, environment
from localcloud.hosts.images import Images
from localcloud.hosts.network import HostNetwork
from localcloud.places import make_private_folder
from localcloud.problems import Problems
from localcloud.processes import tied_to

POWER_OFF_SECONDS = 120.0  # from the power button to the plug; EC2 waits a few minutes
ASK_AGAIN_SECONDS = 2.0  # a systemd that has just started does not hear the button yet
GONE_SECONDS = 10.0
LOOK_SECONDS = 1.0
WANTS = "etc/systemd/system/multi-user.target.wants"
UNITS = {"cloud-final.service": "/etc/systemd/system", "ssh.service": "/lib/systemd/system"}
RESULT = "var/lib/cloud/data/result.json"
OUTPUT = "var/log/cloud-init-output.log"
PREPARING = (LocalCloudError, OSError, subprocess.SubprocessError)


def upper(instances: Path, instance_id: str) -> Path:
    """What the host of an instance has changed of its image; there until the instance is terminated."""
    return instances / instance_id / "data" / UPPER


@dataclass(frozen=True)
class HostSite:
    """What all hosts of a cloud share; `addresses` has the ids of running instances by address."""

    network: HostNetwork
    images: Images
    instances: Path
    endpoint_url: str  # as hosts reach it
    base: Mapping[str, str]  # the daemon's environment
    addresses: dict[str, str]
    powered_off: Callable[[str], Awaitable[None]]  # tells EC2 that an instance has shut itself down


class HostMachine:
    """Runs from `start` until it has powered itself off, or `stop`."""

    def __init__(self, site: HostSite, instance: Instance, problems: Problems) -> None:
        self._site, self._instance, self._problems = site, instance, problems
        self._folder = site.instances / instance.instance_id
        self._container = Container(
            group=site.network.key,
            name=instance.instance_id,
            folder=self._folder / "data",
            lower=site.images.lower(instance.image_id),
            hostname=f"ip-{instance.address.replace('.', '-')}",  # as EC2 names instances
            namespace=site.network.namespace_of(instance.instance_id),
        )
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger().bind(instance=instance.instance_id)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def hasten(self) -> None:
        """Whoever waits for its orderly end does not want to any longer."""
        self._hurry.set()

    def reboot(self) -> None:
        """RebootInstances: asks the operating system, as Ctrl-Alt-Del does (systemd(1): SIGINT)."""
        self._signal(signal.SIGINT)

    async def stop(self, *, remove_data: bool) -> None:
        """Power it off, and pull the plug if that takes too long; its log stays."""
        self._stopping.set()
        if self._task:
            await asyncio.wait([self._task])
        if remove_data:
            await asyncio.to_thread(shutil.rmtree, self._folder / "data", ignore_errors=True)
        self._problems.clear(self._instance.instance_id)

    async def _run(self) -> None:
        self._site.addresses[self._instance.address] = self._instance.instance_id
        watch = asyncio.create_task(self._watch_first_boot())
        try:
            await asyncio.to_thread(self._prepare)
            code = REBOOT
            while code == REBOOT and not self._stopping.is_set():
                code = await self._boot()
            await self._ended(code)
        except PREPARING as error:
            said = (error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
            self._give_up(f"cannot be started: {error} {said}".strip())
        finally:
            watch.cancel()
            await asyncio.to_thread(self._clean)
            if self._site.addresses.get(self._instance.address) == self._instance.instance_id:
                del self._site.addresses[self._instance.address]

    def _prepare(self) -> None:
        make_private_folder(self._folder / "data")
        self._site.network.add(self._instance.instance_id, self._instance.address)
        self._container.mount()
        root = self._container.root
        for unit, folder in UNITS.items():
            link = root / WANTS / unit
            if not link.is_symlink():
                link.symlink_to(f"{folder}/{unit}")
        names = f"127.0.0.1 localhost\n{self._instance.address} {self._container.hostname}\n"
        (root / "etc/hosts").write_text(names)  # sudo looks its host up
        # As in an image whose maker set it up for another AWS: every service finds the endpoint in its environment.
        settings = root / "etc/systemd/system.conf.d/local-cloud.conf"
        settings.parent.mkdir(mode=0o755, exist_ok=True)
        settings.write_text(f'[Manager]\nDefaultEnvironment="AWS_ENDPOINT_URL={self._site.endpoint_url}"\n')
        settings.chmod(0o644)

    async def _boot(self) -> int:
        """One boot, to its end by itself or by `stop`. Returns systemd-nspawn's exit code."""
        tie = tied_to(os.getpid(), signal.SIGTERM)  # at which systemd-nspawn halts its host

        def enter() -> None:
            self._container.enter_cgroups()
            tie()

        with (self._folder / "stdout.log").open("ab") as log:
            nspawn = await asyncio.create_subprocess_exec(
                *self._container.command(),
                cwd="/",
                env=environment(self._site.base),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=enter,
            )
        self._log.info("host boots", pid=nspawn.pid, address=self._instance.address)
        ended, stopping = asyncio.create_task(nspawn.wait()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await self._power_off(ended)
        return await ended

    async def _power_off(self, ended: "asyncio.Task[int]") -> None:
        loop = asyncio.get_running_loop()
        deadline, hurry = loop.time() + POWER_OFF_SECONDS, asyncio.create_task(self._hurry.wait())
        while not ended.done() and not self._hurry.is_set() and loop.time() < deadline:
            self._signal(POWER_OFF)
            await asyncio.wait([ended, hurry], timeout=ASK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        while not ended.done():
            await asyncio.to_thread(self._container.kill)
            await asyncio.wait([ended], timeout=GONE_SECONDS)

    def _signal(self, number: int) -> None:
        if init := self._container.init():
            with contextlib.suppress(ProcessLookupError):
                os.kill(init, number)

    async def _ended(self, code: int) -> None:
        if self._stopping.is_set():
            self._log.info("host has ended", code=code)
            return
        if code:
            said = last_lines(self._folder / "stdout.log", 1).strip()
            self._give_up(f"has ended with code {code} of systemd-nspawn; its last words: {said}")
            return
        self._log.info("host has powered itself off")
        try:
            await self._site.powered_off(self._instance.instance_id)
        except AdminError as error:
            self._log.warning("EC2 does not know that a host has powered itself off", error=str(error))

    def _clean(self) -> None:
        try:
            self._container.kill()
            self._container.unmount()
            self._site.network.remove(self._instance.instance_id)
        except PREPARING as error:
            self._log.error("not all of a host was removed; `warmfleet down` tries again", error=str(error))

    async def _watch_first_boot(self) -> None:
        """Say so when user data fails: nothing else would before its group gives it up."""
        result = self._container.upper / RESULT
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(OSError, ValueError, KeyError):
                if errors := json.loads(result.read_text())["v1"]["errors"]:
                    said = last_lines(self._container.upper / OUTPUT, 1).strip()
                    self._give_up(f"did not configure itself: {'; '.join(errors)}; its last words: {said}")
                return

    def _give_up(self, text: str) -> None:
        remedy = f"`make up` replaces the instance; all that it said is in {self._folder / 'stdout.log'}"
        self._problems.set(Problem(self._instance.instance_id, f"its host {text}", remedy))
