"""Wires a gateway together from its settings and runs it until it is told to stop."""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3
import structlog
from aiohttp import web
from botocore.config import Config

from inference_service.environment import loopback
from inference_service.gateway import demand, handover, node_loads, polling, stalls, upstream
from inference_service.gateway.app import create_app
from inference_service.gateway.chat import ChatEndpoint
from inference_service.gateway.demand import DemandMeter
from inference_service.gateway.discovery import Registry
from inference_service.gateway.dispatch import Dispatcher
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.http_edge import unambiguous
from inference_service.gateway.idempotency import idempotency_guard, named_inside
from inference_service.gateway.idempotency_calls import BEGIN_THREADS, UPKEEP_THREADS
from inference_service.gateway.idempotency_store import IdempotencyStore
from inference_service.gateway.idempotent_runs import Runs
from inference_service.gateway.key_limits import KeyLimits
from inference_service.gateway.keys import KeyRing, api_key_guard, follow_keys
from inference_service.gateway.metrics import GatewayMetrics
from inference_service.gateway.node_token import keep_node_token
from inference_service.gateway.open_requests import OpenRequests
from inference_service.gateway.resume import Resumer
from inference_service.gateway.server import listening
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stalls import OpenStreams
from inference_service.secret_document import SecretDocument

LOOK_AGAIN_SECONDS = 0.25


@dataclass(frozen=True)
class Gateway:
    """The parts that a running gateway is steered by."""

    fleet: Fleet
    streams: OpenStreams
    keys: KeyRing
    app: web.Application
    demand: DemandMeter
    runs: Runs
    opened: OpenRequests


def aws_client(service: str, region: str) -> Any:
    """A client for what is polled. It gives up soon and never retries: the next poll does."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    session: Any = boto3.Session(region_name=region)  # its client() is typed for literal names only
    return session.client(service, config=config)


def s3_client(region: str) -> Any:
    """The client for answers that are kept. A client waits for it: it gives up soon."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 2},
        connect_timeout=1,
        read_timeout=3,
        max_pool_connections=BEGIN_THREADS + UPKEEP_THREADS,
    )
    session: Any = boto3.Session(region_name=region)
    return session.client("s3", config=config)


async def run(settings: GatewaySettings, registry: Registry) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight.

    Raises:
        OSError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with upstream.session() as http:
        gateway = assemble(settings, http, loop.time)
        async with listening(gateway.app, settings) as server, _working(_work(settings, gateway, http, registry)):
            host, port = server.sockets[0].getsockname()[:2]
            structlog.get_logger().info("listening", address=f"{host}:{port}", models=settings.models)
            await stop.wait()
            server.close()
            await drain(gateway, settings.drain_seconds)


def assemble(settings: GatewaySettings, http: aiohttp.ClientSession, clock: Callable[[], float]) -> Gateway:
    """A gateway without its pollers: it routes by what its fleet is told."""
    fleet, metrics, streams = Fleet(clock), GatewayMetrics(), OpenStreams()
    dispatcher = Dispatcher(fleet, http, settings, clock)
    resumer = Resumer(dispatcher, fleet, settings, clock)
    opened = OpenRequests(settings.most_open, settings.most_open_bytes)
    chat = ChatEndpoint(dispatcher, resumer, settings, metrics, streams, opened, clock)
    keys = KeyRing(
        configured=settings.api_keys_parameter is not None, private=loopback(settings.bind_address), now=time.time
    )
    inside = create_app(settings, fleet, chat, metrics, clock, [named_inside])
    store = IdempotencyStore(s3_client(settings.region), settings.bucket) if settings.bucket else None
    runs = Runs(inside, store, opened, settings, clock)
    guards = [unambiguous, api_key_guard(keys, KeyLimits(settings.gateways, clock))]
    guards += [idempotency_guard(runs, opened, settings)] if settings.deduplication else []
    app = create_app(settings, fleet, chat, metrics, clock, guards)
    app.on_cleanup.append(runs.close)
    return Gateway(fleet, streams, keys, app, dispatcher.demand, runs, opened)


def _work(
    settings: GatewaySettings, gateway: Gateway, http: aiohttp.ClientSession, registry: Registry
) -> list[Coroutine[Any, Any, None]]:
    fleet, parameter = gateway.fleet, settings.api_keys_parameter
    secrets = []
    if parameter:
        stored = SecretDocument(aws_client("ssm", settings.region), parameter)
        secrets.append(follow_keys(gateway.keys, stored, settings.api_keys_poll_seconds))
    if settings.node_token_parameter:
        ssm = aws_client("ssm", settings.region)
        stored = SecretDocument(ssm, settings.node_token_parameter, settings.node_token_key)
        secrets.append(keep_node_token(http, stored, settings.api_keys_poll_seconds, time.time))
    loads = []
    if settings.bucket:
        put = _putter(aws_client("s3", settings.region), settings.bucket)
        loads.append(node_loads.report(fleet, settings.models, put, uuid.uuid4().hex, settings.figures_seconds))
    return [
        *secrets,
        *loads,
        polling.follow_discovery(fleet, registry.nodes, settings.discovery_poll_seconds),
        polling.follow_readiness(
            fleet,
            http,
            port=settings.node_port,
            seconds=settings.readiness_poll_seconds,
            timeout_seconds=settings.readiness_timeout_seconds,
        ),
        stalls.watch(gateway.streams, settings.stall_seconds),
        *([handover.watch(gateway.streams, fleet)] if settings.resume else []),
        demand.publish(
            gateway.demand, aws_client("cloudwatch", settings.region), settings.environment, settings.figures_seconds
        ),
    ]


def _putter(s3: Any, bucket: str) -> Callable[[str, bytes], Any]:
    return lambda key, body: s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


@asynccontextmanager
async def _working(work: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def drain(gateway: Gateway, seconds: float) -> None:
    """Let answers in flight end, for `seconds` at most; what waits for a node is sent to another gateway at once."""
    fleet, streams = gateway.fleet, gateway.streams
    fleet.close()
    count, loop = fleet.in_flight.total(), asyncio.get_running_loop()
    structlog.get_logger().info("stopping", in_flight=count, drain_seconds=seconds)
    until = loop.time() + seconds
    # A stream between two nodes is in flight nowhere; neither is an answer that S3 has yet to take.
    while (fleet.in_flight.total() or streams or gateway.runs.unfinished) and (remaining := until - loop.time()) > 0:
        await fleet.wait_for_change(min(remaining, LOOK_AGAIN_SECONDS))
    if streams:
        structlog.get_logger().warning("the time to drain is over: streams are broken off", streams=len(streams))
        streams.break_all()
    structlog.get_logger().info("stopped", served=count)
