"""What the tests of the local cloud make and wait for."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from inference_service import contract

DEADLINE_SECONDS = 20


def eventually(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """The first true value of `condition`, which is asked often."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {DEADLINE_SECONDS} s")


async def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """`eventually` for a condition that something on this event loop makes true."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (value := condition()):  # noqa: ASYNC110 - asked of the product, which has no event for it
                await asyncio.sleep(0.005)
            return value
    raise AssertionError(f"{what} did not come true within {DEADLINE_SECONDS} s")


def instance(
    prefix: str, number: int = 1, *, state: str = "running", role: str | None = "node", **variables: str
) -> dict[str, Any]:
    """An instance as the AWS process describes it; `variables` go into its user data."""
    block = "\n".join(f"{name}='{value}'" for name, value in variables.items())
    return {
        "instance_id": f"i-{number:017x}",
        "state": state,
        "private_ip": f"{prefix}.1.{number}",
        "user_data": f"#!/bin/bash\n{contract.VARIABLES_BEGIN}\n{block}\n{contract.VARIABLES_END}\nexit 1\n",
        "tags": {contract.TAG_ROLE: role} if role else {},
    }


class serving:  # noqa: N801 - reads as a verb
    """Serve an aiohttp application at an address; its port is the value."""

    def __init__(self, app: web.Application, host: str, port: int = 0) -> None:
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        self._where = host, port

    async def __aenter__(self) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._where).start()
        return int(self._runner.addresses[0][1])

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
