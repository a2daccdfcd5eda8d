"""A local AWS for a module's tests."""

from collections.abc import Iterator

import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.provider.resource import Aws
from localcloud.provider.waiting import Waiting
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
