"""Keeps the fleet's record true: EC2 seldom, each node's own readiness often."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import aiohttp
import structlog

from inference_service import contract
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.fleet import Fleet

MOST_POLLS_AT_ONCE = 32
LONGEST_REPORT_BYTES = 64 << 10


async def follow_discovery(fleet: Fleet, list_nodes: Callable[[], Collection[FoundNode]], seconds: float) -> None:
    """Ask EC2 every `seconds`, for ever. While AWS fails the last list stays: nodes outlive their registry."""
    log, failing = structlog.get_logger(), False
    while True:
        try:
            fleet.found(await asyncio.to_thread(list_nodes))
            if failing:
                log.info("EC2 answers again")
            failing = False
        except Exception as error:  # AWS's, or a surprise of its SDK: neither may end the gateway's routing
            if not failing:
                log.warning("EC2 does not list nodes; the last list stays", error=str(error), nodes=len(fleet.nodes))
            failing = True
        await asyncio.sleep(seconds)


async def follow_readiness(
    fleet: Fleet, http: aiohttp.ClientSession, *, port: int, seconds: float, timeout_seconds: float
) -> None:
    """Poll each node every `seconds`, for ever. A node that is slow to answer delays no other's poll."""
    gate = asyncio.Semaphore(MOST_POLLS_AT_ONCE)
    running: dict[str, asyncio.Task[None]] = {}

    async def poll(instance_id: str, address: str) -> None:
        async with gate:
            try:
                async with asyncio.timeout(timeout_seconds):
                    report = await _report(http, f"http://{address}:{port}")
                fleet.reported(instance_id, report)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                fleet.missed(instance_id, f"{address}:{port} does not answer: {type(error).__name__} {error}".strip())

    try:
        while True:
            running = {known: task for known, task in running.items() if not task.done()}
            for instance_id, view in fleet.nodes.items():
                if instance_id not in running:
                    running[instance_id] = asyncio.create_task(poll(instance_id, view.found.address))
            await asyncio.sleep(seconds)
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)


async def _report(http: aiohttp.ClientSession, node: str) -> Any:
    """A node that is not ready answers 503, with the same report."""
    async with http.get(node + contract.PATH_READY) as answer:
        return await answer.json(content_type=None)
