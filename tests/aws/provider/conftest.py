"""A local AWS for a module's tests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.provider.clients import Clients
from localcloud.provider.resource import Aws
from localcloud.provider.service import Service
from localcloud.provider.session import Sessions
from localcloud.provider.waiting import Waiting
from tests.aws.provider.engine import Engine
from tests.aws.provider.world import REGION, World


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalAws]:
    with local_aws() as running:
        yield running


@pytest.fixture(scope="module")
def world(cloud: LocalAws) -> World:
    return World(cloud.client)


@pytest.fixture(scope="module")
def aws(cloud: LocalAws) -> Aws:
    return Aws(cloud.client, REGION, Waiting())


@pytest.fixture
def channel(cloud: LocalAws) -> Iterator[grpc.Channel]:
    """A server that admits everybody."""
    server = grpc.server(ThreadPoolExecutor(4))
    service = Service(Clients(cloud.url), Sessions(lambda peer: None))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as made:
        yield made
    server.stop(grace=None).wait()


@pytest.fixture
def engine(channel: grpc.Channel) -> Engine:
    return Engine(channel)
