"""The node's eyes: the pointer in the bucket, the instance's metadata, the engine's pulse, asked at intervals."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service.artifacts import ArtifactError, ArtifactStore, Pointer
from inference_service.node.engine_failures import EngineFailures
from inference_service.node.engines.watched import WatchedEngine
from inference_service.node.hooks import LifecycleHooks
from inference_service.node.interruption import Signals, read_signals
from inference_service.node.metadata import InstanceMetadata, MetadataError
from inference_service.node.replacement import Replacement

PAUSE_SECONDS = 2.0  # before a watcher that failed begins again


class Watched(Protocol):
    """Who is told."""

    signals: Signals
    failures: EngineFailures

    def point(self, pointer: Pointer | None, problem: str | None) -> None: ...

    def signal(self, signals: Signals) -> None: ...

    def warm_up_mark(self) -> object | None: ...

    def engine_failed(self, problem: str) -> None: ...

    @property
    def ready(self) -> bool: ...

    @property
    def finishing(self) -> bool: ...


async def begun_again(watcher: Callable[[], Coroutine[Any, Any, None]], pause_seconds: float = PAUSE_SECONDS) -> None:
    """Run it until it ends by itself. One that fails unexpectedly may not leave the node blind: it begins again."""
    while True:
        try:
            return await watcher()
        except Exception:
            if (task := asyncio.current_task()) and task.cancelling():  # told to end: what came of that is no failure
                raise
            structlog.get_logger().exception("a watcher has failed, and begins again")
        await asyncio.sleep(pause_seconds)


async def follow_pointer(node: Watched, store: ArtifactStore, model: str, seconds: float) -> None:
    """Tell the node what the pointer says, for ever. While S3 fails the node keeps what it has."""
    read = None
    while True:
        try:
            read = await asyncio.to_thread(store.reread_pointer, model, read)
            problem = None if read else f"no active version of {model}: warmfleet models activate {model} VERSION"
            node.point(read[0] if read else None, problem)
        except (ArtifactError, ClientError, BotoCoreError) as error:
            node.point(None, f"the pointer of {model} cannot be read: {error}")
        await asyncio.sleep(seconds)


async def follow_metadata(node: Watched, metadata: InstanceMetadata, seconds: float) -> None:
    """Tell the node what AWS is about to do with its instance, for ever."""
    unreachable = False
    while True:
        try:
            node.signal(await read_signals(metadata, node.signals))
            unreachable = False
        except MetadataError as error:
            if not unreachable:  # once, not every two seconds
                structlog.get_logger().warning("instance metadata is silent; notices may be missed", error=str(error))
            unreachable = True
        await asyncio.sleep(seconds)


async def keep_launching(node: Watched, hooks: LifecycleHooks, seconds: float) -> None:
    """Send heartbeats of the launch hook while the warm-up progresses; one that stands still may time out.

    AWS bounds the whole wait by 48 h or 100 times the hook's timeout, whichever is less.
    """
    last = node.warm_up_mark()
    while True:
        await asyncio.sleep(seconds)
        mark = node.warm_up_mark()
        if mark is not None and mark != last and not await hooks.prolong_launch():
            return
        last = mark


async def keep_terminating(node: Watched, hooks: LifecycleHooks, seconds: float) -> None:
    """Send heartbeats of the terminate hook while a terminating node still works; the drain's deadline bounds it."""
    while True:
        await asyncio.sleep(seconds)
        if node.finishing and not await hooks.prolong_termination():
            return


async def follow_engine(
    node: Watched, engine: WatchedEngine, replacement: Replacement | None, seconds: float, timeout_seconds: float
) -> None:
    """Ask a ready engine that has been silent for `seconds` for a token; tell the node when it has failed, for ever.

    The node restarts it. One that fails again and again, or cannot be loaded again, is replaced with its instance; that
    is asked for after each further failure, for others may be replaced at that moment.
    """
    asked = 0
    while True:
        await asyncio.sleep(seconds)
        if node.ready and engine.silent_seconds() >= seconds and engine.failure() is None:
            await engine.probe(timeout_seconds)
        if node.ready and (problem := engine.failure()):
            node.engine_failed(problem)
        if replacement and node.failures.count > asked and node.failures.beyond_repair:
            asked = node.failures.count
            await _replace(replacement, node.failures.problem)


async def _replace(replacement: Replacement, problem: str) -> None:
    log = structlog.get_logger().bind(problem=problem)
    try:
        refused = await asyncio.to_thread(replacement.ask)
    except (ClientError, BotoCoreError) as error:
        refused = f"AWS: {error}"
    if refused:
        log.error("restarts do not help, and the instance is not replaced", reason=refused)
    else:
        log.error("restarts do not help: the instance is replaced")
