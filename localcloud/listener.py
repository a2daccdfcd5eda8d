"""A load balancer's listener as a listening socket, opened again and again until its port is free."""

import asyncio
import errno

import psutil
import structlog

from localcloud.admin import Listener
from localcloud.cloud_state import Problem
from localcloud.problems import Problems
from localcloud.proxy import Forwarder, connections

RETRY_SECONDS = 1.0
LAST_SECONDS = 1.0  # for answers in flight when a listener is deleted


class ListeningPort:
    """Serves one listener from `start` to `stop`."""

    def __init__(self, listener: Listener, forwarder: Forwarder, problems: Problems) -> None:
        self._listener = listener
        self._problems = problems
        self._server, self._connection = connections(forwarder, listener.idle_seconds)
        self._socket: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once the port is open, or after the first failure; then it is retried in the background."""
        if not await self._open():
            self._opening = asyncio.create_task(self._open_later())

    async def stop(self) -> None:
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._socket:
            self._socket.close()
        self._server.pre_shutdown()  # connections between two requests end at once
        await self._server.shutdown(LAST_SECONDS)
        self._problems.clear(resource(self._listener))

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if await self._open():
                return

    async def _open(self) -> bool:
        listener, loop = self._listener, asyncio.get_running_loop()
        try:
            self._socket = await loop.create_server(self._connection, listener.address, listener.port)
        except OSError as error:
            self._problems.set(unopened(listener, error, port_owner(listener.address, listener.port)))
            return False
        self._problems.clear(resource(listener))
        structlog.get_logger().info("listening", balancer=listener.balancer, where=_where(listener))
        return True


def resource(listener: Listener) -> str:
    """The listener's name among the problems."""
    return f"load balancer {listener.balancer}, listener {listener.port}"


def unopened(listener: Listener, error: OSError, owner: str) -> Problem:
    """Why the listener serves nobody, and what helps."""
    where, elsewhere = f"port {listener.port} at {listener.address}", "change gateway_port in Pulumi.local.yaml"
    if error.errno == errno.EADDRINUSE:
        return Problem(
            resource(listener),
            f"{where} is in use by another program ({owner})",
            f"stop it or {elsewhere}; the port is tried again every {RETRY_SECONDS:g} s",
        )
    if error.errno == errno.EACCES:
        return Problem(resource(listener), f"{where} may only be opened by root", f"{elsewhere} to one from 1024")
    return Problem(resource(listener), f"{where} cannot be opened: {error.strerror or error}", elsewhere)


def port_owner(address: str, port: int) -> str:
    """Who listens there, in words; the process is visible only if it is this user's."""
    blocking = (address, "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    try:
        found = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return "it is not visible which"
    owners = {
        each.pid
        for each in found
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.laddr.ip in blocking
    }
    visible = sorted(pid for pid in owners if pid is not None)
    return ", ".join(map(_named, visible)) or "another user's, its pid is not visible"


def _named(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()}, pid {pid}"
    except psutil.Error:
        return f"pid {pid}"


def _where(listener: Listener) -> str:
    return f"{listener.address}:{listener.port}"
