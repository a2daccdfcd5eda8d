"""The load balancers that exist in the local AWS, as listening sockets that forward to healthy targets."""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog

from localcloud.admin import Admin, Balancing, Listener, Target
from localcloud.cloud_state import Problem
from localcloud.health import CheckedGroup
from localcloud.listener import ListeningPort, resource
from localcloud.problems import Problems
from localcloud.proxy import Forwarder, SocketFactory, session


class LoadBalancers:
    """Makes what listens here follow what the local AWS says."""

    def __init__(
        self,
        admin: Admin,
        checks: aiohttp.ClientSession,
        problems: Problems,
        socket_factory: SocketFactory | None = None,
    ) -> None:
        self._admin = admin
        self._checks = checks
        self._problems = problems
        self._socket_factory = socket_factory
        self._groups: dict[str, CheckedGroup] = {}
        self._ports: dict[Listener, tuple[ListeningPort, aiohttp.ClientSession]] = {}
        self._unserved: set[Listener] = set()

    async def refresh(self) -> None:
        """Read all load balancers and follow them.

        Raises:
            AdminError: they could not be read.
        """
        await self.follow(await self._admin.balancing())

    async def follow(self, wanted: Balancing) -> None:
        self._refuse({each for each in wanted.listeners if each.protocol != "HTTP"})
        served = tuple(each for each in wanted.listeners if each.protocol == "HTTP")
        for listener in [each for each in self._ports if each not in served]:
            await self._close(listener)
        arns = {group.arn for group in wanted.target_groups}
        for arn in [each for each in self._groups if each not in arns]:
            await self._groups.pop(arn).stop()
        clock = asyncio.get_running_loop().time
        for group in wanted.target_groups:
            if group.arn not in self._groups:
                self._groups[group.arn] = CheckedGroup(self._checks, self._admin.report_health, clock)
            await self._groups[group.arn].follow(group)
        for listener in served:
            if listener not in self._ports:
                await self._open(listener)

    async def stop(self) -> None:
        await self.follow(Balancing((), ()))

    def _refuse(self, unserved: set[Listener]) -> None:
        for listener in self._unserved - unserved:
            self._problems.clear(resource(listener))
        self._unserved = unserved
        for listener in unserved:
            remedy = "give the local stack an HTTP listener: the local cloud has no certificates"
            text = f"a listener with protocol {listener.protocol} is not simulated"
            self._problems.set(Problem(resource(listener), text, remedy))

    async def _open(self, listener: Listener) -> None:
        http = session(listener.idle_seconds, self._socket_factory)
        port = ListeningPort(listener, Forwarder(listener, http, self._choose_in(listener)), self._problems)
        self._ports[listener] = (port, http)
        await port.start()

    async def _close(self, listener: Listener) -> None:
        port, http = self._ports.pop(listener)
        await port.stop()
        await http.close()
        structlog.get_logger().info("listener closed", balancer=listener.balancer, port=listener.port)

    def _choose_in(self, listener: Listener) -> Callable[[], Target | None]:
        def choose() -> Target | None:
            group = self._groups.get(listener.target_group_arn)
            return group.choose() if group else None

        return choose
