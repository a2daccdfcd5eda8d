"""A watcher that trips over something unexpected begins again: a node that hears no notices any more loses answers."""

import asyncio

import pytest

from inference_service.node.interruption import Signals
from inference_service.node.watch import begun_again, follow_metadata


class Metadata:
    """Says once what nobody expects, then that Auto Scaling ends the instance."""

    def __init__(self) -> None:
        self.asked = 0

    async def spot_action(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise KeyError("action")

    async def target_lifecycle_state(self) -> str:
        return "Terminated"

    async def rebalance_noticed_at(self) -> None:
        return None


class Node:
    def __init__(self) -> None:
        self.signals, self.told = Signals(), asyncio.Event()

    def signal(self, signals: Signals) -> None:
        self.signals = signals
        self.told.set()


async def test_a_node_hears_of_its_end_after_metadata_said_nonsense():
    node, metadata = Node(), Metadata()
    task = asyncio.create_task(begun_again(lambda: follow_metadata(node, metadata, 0.001), 0.001))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await node.told.wait()
    assert node.signals.target_state == "Terminated"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_watcher_that_has_ended_is_not_begun_again():
    begun = 0

    async def once() -> None:
        nonlocal begun
        begun += 1

    await begun_again(once, 0)
    assert begun == 1


async def test_a_watcher_that_is_told_to_end_and_stumbles_over_it_ends():
    begun = asyncio.Event()

    async def stumbles() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("what it waited for broke as well")

    task = asyncio.create_task(begun_again(stumbles, 0))
    await begun.wait()
    task.cancel()
    with pytest.raises(RuntimeError):
        async with asyncio.timeout(5):
            await task
