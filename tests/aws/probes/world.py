"""Which AWS the probes talk to: plain moto inside this process, or this project's local cloud."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from moto import mock_aws

TICKS = 4  # from a group's creation to instances in service


class World:
    """`client(service)` of it; `settle` lets happen what takes time; `metadata(instance_id)` is the URL of latest/."""

    client: Callable[[str], Any]
    settle: Callable[[], None]
    metadata: Callable[[str], str]


world = World()


@contextlib.contextmanager
def plain_moto() -> Iterator[None]:
    """An empty account of moto as it comes."""
    with mock_aws():
        world.client, world.settle = _client, lambda: None
        world.metadata = lambda _: "http://169.254.169.254/latest"  # moto answers itself: nothing leaves this process
        yield


@contextlib.contextmanager
def local_cloud() -> Iterator[None]:
    """An empty local cloud."""
    from localcloud.aws.in_process import local_aws

    with local_aws("127.8") as aws:
        world.client, world.settle = aws.client, lambda: aws.tick(TICKS)
        world.metadata = lambda instance_id: f"{aws.url}/_local/metadata/{instance_id}/latest"
        yield


@functools.cache
def _client(service: str) -> Any:
    """Making one takes long, and mock_aws catches the requests of old ones too."""
    return boto3.client(service)
