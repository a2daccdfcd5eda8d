"""Wires a node together from its settings and runs it until it has drained."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import boto3
import structlog
from aiohttp import web
from botocore.config import Config

from inference_service import contract
from inference_service.artifacts import ArtifactStore
from inference_service.node.admission import Admission
from inference_service.node.app import create_app
from inference_service.node.compile_cache import CompileCaches
from inference_service.node.download import PARALLEL_PARTS, VersionFetcher
from inference_service.node.engines.choice import create_engine
from inference_service.node.engines.watched import WatchedEngine
from inference_service.node.hooks import LifecycleHooks
from inference_service.node.interruption import read_signals, utc_now
from inference_service.node.job_doer import JobDoer
from inference_service.node.job_queue import JobQueue
from inference_service.node.job_worker import JobWorker
from inference_service.node.launch import is_first_process, launch_phases
from inference_service.node.local_versions import LocalVersions
from inference_service.node.metadata import Identity, InstanceMetadata, MetadataError
from inference_service.node.readiness import NodeStatus
from inference_service.node.replacement import Replacement
from inference_service.node.settings import GUARD_ACKNOWLEDGE, GUARD_DEDUPLICATION, GUARD_DRAIN, NodeSettings
from inference_service.node.token import NodeTokens
from inference_service.node.warm_up import WarmUp
from inference_service.node.watch import (
    begun_again,
    follow_engine,
    follow_metadata,
    follow_pointer,
    keep_launching,
    keep_terminating,
)
from inference_service.node.worker import Worker
from inference_service.secret_document import SecretDocument

IDENTITY_ATTEMPTS = 5

Watcher = Callable[[], Coroutine[Any, Any, None]]


async def run(settings: NodeSettings, started: datetime) -> None:
    """Serve until the node has left; `started` is when this process began.

    Raises:
        OSError: the address cannot be bound, or the data directory not be written.
    """
    admission = Admission(settings.slots, settings.queue)
    status = NodeStatus(settings.model, settings.engine, admission)
    engine = WatchedEngine(create_engine(settings))
    stopping = asyncio.Event()  # a signal before there is a worker to hear it
    _on_stop_signal(stopping.set)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        status.address = await stack.enter_async_context(
            _listening(create_app(status, engine, _tokens(settings)), settings)
        )
        metadata = InstanceMetadata(http, settings.metadata_endpoint) if settings.metadata_endpoint else None
        identity = await _identity(metadata)
        status.instance_id = identity.instance_id
        structlog.contextvars.bind_contextvars(instance_id=identity.instance_id)
        if is_first_process(settings.data_dir, identity.instance_id):
            status.warm_up_seconds |= launch_phases(identity.pending_time, settings.booted_at, started)
        session = boto3.Session(region_name=settings.region)
        s3 = session.client("s3", config=_client_config())
        store = ArtifactStore(s3, settings.bucket)
        autoscaling = session.client("autoscaling", config=_client_config())
        hooks = LifecycleHooks(autoscaling, identity, settings.launch_hook, settings.terminate_hook)
        local = LocalVersions(settings.data_dir, settings.model)
        compiled = ArtifactStore(s3, settings.bucket, contract.CACHES_PREFIX)
        caches = CompileCaches(compiled, settings.data_dir, settings.model, identity.instance_id)
        warm_up = WarmUp(status, engine, VersionFetcher(store, local), settings.load_timeout_seconds, caches)
        drains = GUARD_DRAIN not in settings.guards_off
        drain_seconds = settings.drain_seconds if drains else 0.0
        worker = Worker(status, warm_up, local, hooks, drain_seconds, settings.rebalance_reaction)
        replacement = Replacement(s3, autoscaling, settings.bucket, identity, utc_now) if identity.group else None
        _on_stop_signal(worker.request_stop)
        if stopping.is_set():
            worker.request_stop()
        watchers: list[Watcher] = [
            lambda: follow_pointer(worker, store, settings.model, settings.pointer_poll_seconds),
            lambda: keep_launching(worker, hooks, settings.heartbeat_seconds),
            lambda: keep_terminating(worker, hooks, settings.heartbeat_seconds),
            lambda: follow_engine(worker, engine, replacement, settings.probe_seconds, settings.probe_timeout_seconds),
        ]
        if settings.jobs_queue_url:
            watchers.append(_job_worker(settings, status, engine, session, s3).run)
        if metadata and drains:
            await _first_look(worker, metadata)
            watchers.append(lambda: follow_metadata(worker, metadata, settings.metadata_poll_seconds))
        await _live(worker, watchers)


def _job_worker(
    settings: NodeSettings, status: NodeStatus, engine: WatchedEngine, session: boto3.Session, s3: Any
) -> JobWorker:
    once = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=30)
    sqs: Any = session.client("sqs", config=once)
    off = settings.guards_off
    urls = str(settings.jobs_queue_url), str(settings.dead_letters_queue_url)
    queue = JobQueue(sqs, s3, *urls, settings.bucket, deduplication=GUARD_DEDUPLICATION not in off)
    doer = JobDoer(status, engine, queue, time.time, acknowledge_first=GUARD_ACKNOWLEDGE in off)
    return JobWorker(status, queue, doer)


def _tokens(settings: NodeSettings) -> NodeTokens | None:
    if settings.node_token_parameter is None:
        return None
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    ssm: Any = boto3.Session(region_name=settings.region).client("ssm", config=config)
    return NodeTokens(SecretDocument(ssm, settings.node_token_parameter).read, asyncio.get_running_loop().time)


def _on_stop_signal(call: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, call)


async def _first_look(worker: Worker, metadata: InstanceMetadata) -> None:
    """Metadata is asked once before all else: a node that has to leave loads nothing."""
    try:
        worker.signal(await read_signals(metadata, worker.signals))
    except MetadataError as error:
        structlog.get_logger().warning("instance metadata is silent", error=str(error))


async def _live(worker: Worker, watchers: Sequence[Watcher]) -> None:
    """Run the worker beside its watchers, which end with it."""
    tasks = [asyncio.create_task(begun_again(watcher)) for watcher in watchers]
    try:
        await worker.run()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _listening(app: web.Application, settings: NodeSettings) -> AsyncIterator[str]:
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.bind_address, settings.port).start()
        host, port = runner.addresses[0][:2]
        structlog.get_logger().info("listening", address=f"{host}:{port}", engine=settings.engine, model=settings.model)
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


async def _identity(metadata: InstanceMetadata | None) -> Identity:
    """Who this is. Metadata can be late at boot; a node that never learns it serves, but completes no hook."""
    for attempt in range(IDENTITY_ATTEMPTS if metadata else 0):
        try:
            assert metadata is not None
            return await metadata.identity()
        except MetadataError as error:
            structlog.get_logger().warning("identity unknown so far", error=str(error))
            await asyncio.sleep(2**attempt / 4)
    return Identity("unknown")


def _client_config() -> Config:
    """botocore retries with jitter by itself; the model's bytes are checked by their SHA-256, not by S3's checksum."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=2 * PARALLEL_PARTS,
        response_checksum_validation="when_required",
    )
