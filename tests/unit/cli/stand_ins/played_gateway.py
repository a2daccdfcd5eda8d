"""A gateway with one node, which follows the pointer as soon as it is asked."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from inference_service import contract
from inference_service.artifacts import Pointer


class Gateway(BaseHTTPRequestHandler):
    """Describes no node until `warm` is set."""

    pointer: Callable[[], Pointer]
    warm: bool
    port: int

    def do_GET(self) -> None:
        assert self.path == contract.PATH_FLEET
        nodes = []
        if type(self).warm:
            version = type(self).pointer().version_for("i-1").version
            phases = dict.fromkeys(contract.WARM_UP_PHASES, 0.1)
            report = {"state": "ready", "version": version, "warm_up_seconds": phases, "pid": 1}
            nodes = [{"instance_id": "i-1", "model": "tiny", "in_flight": 0, "report": report, "error": None}]
        body = json.dumps({"nodes": nodes}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
