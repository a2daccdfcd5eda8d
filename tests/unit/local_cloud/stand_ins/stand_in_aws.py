"""Speaks the AWS process's `/_local/` routes from lists that a test sets with POST /_test/…."""

import asyncio
import contextlib
import json
import os
import sys
import threading
from typing import Any

from aiohttp import web


class StandInAws:
    """Only what the daemon reads and writes; no AWS API."""

    def __init__(self) -> None:
        self.instances: list[dict[str, Any]] = []
        self.balancers: list[dict[str, Any]] = []
        self.health: dict[str, dict[str, dict[str, str]]] = {}
        self.asked = 0
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def emit(self, kind: str) -> None:
        self._events.append({"seq": len(self._events) + 1, "type": kind})
        self._changed.set()
        self._changed = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/_local/events", self._get_events)
        app.router.add_get("/_local/instances", self._get_instances)
        app.router.add_get("/_local/load-balancers", self._get_balancers)
        app.router.add_post("/_local/target-health", self._post_health)
        app.router.add_get("/_test/health", self._get_health)
        app.router.add_post("/_test/instances", self._set_instances)
        return app

    async def _get_events(self, request: web.Request) -> web.Response:
        after, wait = int(request.query["after"]), float(request.query["wait"])
        self.asked += 1
        if len(self._events) <= after:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
        return web.json_response({"events": self._events[after:]})

    async def _get_instances(self, _: web.Request) -> web.Response:
        return web.json_response(self.instances)

    async def _get_balancers(self, _: web.Request) -> web.Response:
        return web.json_response(self.balancers)

    async def _post_health(self, request: web.Request) -> web.Response:
        report = await request.json()
        self.health.setdefault(report["target_group_arn"], {}).update(report["targets"])
        return web.json_response({})

    async def _get_health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health)

    async def _set_instances(self, request: web.Request) -> web.Response:
        self.instances = await request.json()
        self.emit("instance-running")
        return web.json_response({})


async def main() -> None:
    prefix = sys.argv[sys.argv.index("--prefix") + 1]
    if os.environ.get("STAND_IN_AWS") == "fails":
        sys.exit("no moto today")
    if os.environ.get("STAND_IN_AWS") == "hangs":
        await asyncio.sleep(60)
    runner = web.AppRunner(StandInAws().app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, f"{prefix}.0.1", 0).start()
    print(json.dumps({"url": f"http://{prefix}.0.1:{runner.addresses[0][1]}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(main())
