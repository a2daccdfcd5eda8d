"""Where the hosts of one cloud live: their network, what it leads to, and how a host is made of an instance."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from localcloud.admin import Admin, Instance
from localcloud.hosts import leftovers
from localcloud.hosts.images import ImageMaker, Images
from localcloud.hosts.machine import HostMachine, HostSite, upper
from localcloud.hosts.namespace import NamespaceSockets
from localcloud.hosts.network import HostNetwork, choose, key_of, routes_here
from localcloud.hosts.relay import EndpointRelay, MetadataRelay
from localcloud.places import Places
from localcloud.problems import Problems
from localcloud.supervisor import Make


@dataclass(frozen=True)
class Site:
    """The network as it is, and the way into it."""

    places: Places
    network: HostNetwork
    sockets: NamespaceSockets
    images: Images

    async def hosts(
        self,
        admin: Admin,
        http: aiohttp.ClientSession,
        endpoint_url: str,
        problems: Problems,
        base: Mapping[str, str],
        stack: AsyncExitStack,
    ) -> Make:
        """Let hosts reach the local AWS until `stack` ends it; returns what makes a host of an instance."""
        addresses = dict[str, str]()
        inside_url = await EndpointRelay(endpoint_url).serve(self.sockets, self.network.gateway, stack)
        await MetadataRelay(http, endpoint_url, addresses).serve(self.sockets, stack)
        site = HostSite(
            self.network, self.images, self.places.instances, inside_url, base, addresses, admin.powered_off
        )

        def make(instance: Instance) -> HostMachine:
            return HostMachine(site, instance, problems)

        return make

    def image_maker(self, admin: Admin) -> ImageMaker:
        return ImageMaker(admin, self.images, lambda instance_id: upper(self.places.instances, instance_id))


async def make_site(places: Places, base: Path, stack: AsyncExitStack) -> Site:
    """Make the network; `stack` takes it away again, and all that hosts may have left.

    Raises:
        LocalCloudError: it cannot be made.
    """
    key = key_of(places.folder)
    network = HostNetwork(key, choose(key, await asyncio.to_thread(routes_here)))
    stack.push_async_callback(asyncio.to_thread, leftovers.clear, places.folder)
    await asyncio.to_thread(network.create)
    sockets = NamespaceSockets(key)
    stack.callback(sockets.close)
    return Site(places, network, sockets, Images(base, places.folder / "images"))
