"""`python -m localcloud.daemon`: one local cloud, from its start to its end. Started by `localcloud.control`."""

import argparse
import asyncio
import gc
import os
import secrets
import shutil
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import uvloop

from inference_service import logs
from localcloud import child, events
from localcloud.addresses import claim
from localcloud.admin import Admin
from localcloud.balancer import LoadBalancers
from localcloud.cloud_state import HOSTS, PROCESSES, REGION, CloudState, write_state
from localcloud.environment import aws_environment
from localcloud.errors import LocalCloudError
from localcloud.hosts.site import Site, make_site
from localcloud.parts import Modules
from localcloud.places import Places
from localcloud.problems import Problems
from localcloud.processes import identity
from localcloud.service_process import Machine, processes
from localcloud.starter import StarterLink
from localcloud.supervisor import Supervisor

# The AWS process has a thread per connection; with malloc's own area for each (mallopt(3)), what large objects leave
# behind would stay with it: measured 410 MB instead of 240 MB after three uploads of a service bundle.
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class DaemonSettings:
    """What the daemon is told on its command line, and the environment that it passes on."""

    places: Places
    modules: Modules
    time_scale: float
    environ: dict[str, str]
    hosts_base: Path | None = None  # the root file system of hosts; None: instances are processes


class Ending:
    """Why the cloud ends: the first reason counts."""

    def __init__(self) -> None:
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def because(self, reason: str) -> None:
        if not self.reason.done():
            self.reason.set_result(reason)


async def run(settings: DaemonSettings, starter: StarterLink) -> int:
    """Start the cloud, tell the starter, and end it in order when asked to or when a part of it ends.

    Returns the exit code: 0 if it ran and was asked to stop.
    """
    ending, loop, log = Ending(), asyncio.get_running_loop(), structlog.get_logger()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.because, f"asked to by {number.name}")
    starter.watch(lambda: ending.because("the command that started it was interrupted"))
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(_start(settings, stack, ending))
        either: list[asyncio.Future[Any]] = [starting, ending.reason]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
            log.warning("the local cloud was not started", reason=ending.reason.result())
            await starter.tell({"error": f"ended while it started: {ending.reason.result()}"})
            return 1
        try:
            state = starting.result()
            write_state(settings.places.cloud_file, state)
        except (LocalCloudError, OSError) as error:
            log.error("the local cloud cannot start", error=str(error))
            await starter.tell({"error": str(error)})
            return 1
        stack.callback(settings.places.cloud_file.unlink, missing_ok=True)
        if not await starter.tell({"state": asdict(state)}):
            ending.because("the command that started it was interrupted")
        log.info("the local cloud runs", **asdict(state))
        gc.collect()  # what is loaded by now stays: no full collection shall hold up streams for it
        gc.freeze()
        log.info("the local cloud ends", reason=await ending.reason)
    log.info("the local cloud has ended")
    return 0


async def _start(settings: DaemonSettings, stack: AsyncExitStack, ending: Ending) -> CloudState:
    """Start everything; `stack` ends it in the reverse order: services while their AWS still answers."""
    places, run_id = settings.places, secrets.token_hex(8)
    claimed = claim(places.root)
    stack.callback(claimed.close)
    arguments = ["--prefix", claimed.prefix, "--time-scale", f"{settings.time_scale:g}", "--run-id", run_id]
    modules, environ = settings.modules, settings.environ
    site = await make_site(places, settings.hosts_base, stack) if settings.hosts_base else None
    arguments += ["--consoles", str(places.instances)]
    arguments += ["--hosts", str(site.network.network)] if site else []
    aws = await child.start("AWS", modules.aws, arguments, environ | FEW_ARENAS, places.logs / "aws.log")
    _tie(aws, stack, ending)
    me = identity(os.getpid())
    assert me is not None  # this process lives
    nodes = (HOSTS, site.network.key) if site else (PROCESSES, "")
    state = CloudState(run_id, me.pid, me.started, str(aws.first["url"]), 0, claimed.prefix, REGION, *nodes)

    arguments = ["--endpoint", state.endpoint_url, "--backend-dir", str(places.pulumi_backend)]
    environment = aws_environment(state, environ)
    provider = await child.start("provider", modules.provider, arguments, environment, places.logs / "provider.log")
    _tie(provider, stack, ending)
    await _follow(settings, state.endpoint_url, site, stack, ending)
    return replace(state, provider_port=int(provider.first["port"]))


def _tie(part: child.Child, stack: AsyncExitStack, ending: Ending) -> None:
    """The cloud's state is in its parts' memory: when one of them ends, all of it ends."""

    async def watch() -> None:
        code = await part.process.wait()
        ending.because(f"the {part.name} process ended with code {code}")

    task = asyncio.create_task(watch())
    stack.push_async_callback(part.stop)
    stack.callback(task.cancel)


async def _follow(
    settings: DaemonSettings, endpoint_url: str, site: Site | None, stack: AsyncExitStack, ending: Ending
) -> None:
    places, service = settings.places, settings.modules.service
    http = await stack.enter_async_context(aiohttp.ClientSession())
    checks, factory = http, None
    if site:
        factory = site.sockets.for_address
        connector = aiohttp.TCPConnector(limit=0, socket_factory=factory)
        checks = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
    admin, problems = Admin(http, endpoint_url), Problems(places)
    balancers = LoadBalancers(admin, checks, problems, factory)
    stack.push_async_callback(balancers.stop)

    def command(role: str) -> list[str]:
        return [sys.executable, "-m", service.format(role=role)]

    if site:
        make = await site.hosts(admin, http, endpoint_url, problems, settings.environ, stack)
    else:
        make = processes(Machine(endpoint_url, places.folder, places.instances, settings.environ, command), problems)
    supervisor = Supervisor(admin, make, problems)
    stack.push_async_callback(supervisor.stop)
    await supervisor.refresh()  # what cannot be read now shall fail the start, not a running cloud
    await balancers.refresh()
    images = site.image_maker(admin) if site else None

    async def follow_instances() -> None:
        await supervisor.refresh()
        if images:
            await images.refresh()

    task = asyncio.create_task(events.follow(admin, follow_instances, balancers.refresh, problems))
    task.add_done_callback(lambda done: None if done.cancelled() else ending.because(f"a defect: {done.exception()!r}"))
    stack.push_async_callback(_cancelled, task)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def main() -> int:
    parser = argparse.ArgumentParser(prog="localcloud.daemon", description="Runs one local cloud in the background.")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--starter-fd", type=int, required=True)
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--aws-module", default=Modules.aws)
    parser.add_argument("--provider-module", default=Modules.provider)
    parser.add_argument("--service-module", default=Modules.service)
    parser.add_argument("--hosts-base", type=Path, help="instances are hosts that boot this root file system")
    given = parser.parse_args()
    if os.fork():  # init becomes the parent: the daemon is nobody's zombie
        os._exit(0)
    os.umask(0o077)
    logs.configure("local-cloud")
    os.set_inheritable(given.starter_fd, False)
    modules = Modules(given.aws_module, given.provider_module, given.service_module)
    settings = DaemonSettings(Places.of(given.root), modules, given.time_scale, dict(os.environ), given.hosts_base)
    for left in settings.places.instances.glob("*/data"):  # of a cloud that was killed; its logs stay
        shutil.rmtree(left, ignore_errors=True)
    return uvloop.run(_serve(settings, socket.socket(fileno=given.starter_fd)))


async def _serve(settings: DaemonSettings, end: socket.socket) -> int:
    return await run(settings, StarterLink(end))


if __name__ == "__main__":
    sys.exit(main())
