"""What is remembered of one request for its log line and the figures: never a prompt or an answer."""

import re
import secrets
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from inference_service import contract

GIVEN_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
CLIENT_LEFT = 499  # as nginx logs it; never sent


@dataclass
class Record:
    """One request. `started` and `first_at` are on the event loop's clock, in seconds."""

    request_id: str
    started: float
    key: str | None = None  # the API key's name, never the key
    model: str | None = None
    node: str | None = None
    version: str | None = None
    status: int | None = None
    committed: bool = False  # the status line has gone: this gateway alone can answer
    first_at: float | None = None
    tokens: int | None = None
    resumed: int = 0
    replayed: bool = False  # the answer of an earlier request with the same Idempotency-Key
    inside: bool = False  # this gateway asks itself: somebody else holds the request's place
    silent: bool = False  # somebody else tells of this request
    problem: str | None = None
    failed_nodes: list[str] = field(default_factory=list)

    def write(self, now: float, method: str, path: str) -> None:
        """One JSON line."""
        first = None if self.first_at is None else round(self.first_at - self.started, 4)
        structlog.get_logger().info(
            "answered",
            request_id=self.request_id,
            method=method,
            path=path,
            **({"key": self.key} if self.key else {}),
            model=self.model,
            node=self.node,
            version=self.version,
            status=self.status,
            seconds=round(now - self.started, 4),
            first_seconds=first,
            tokens=self.tokens,
            **({"replayed": True} if self.replayed else {}),
            **({"resumed": self.resumed} if self.resumed else {}),
            **({"problem": self.problem} if self.problem else {}),
            **({"failed_nodes": self.failed_nodes} if self.failed_nodes else {}),
        )


RECORD: web.RequestKey[Record] = web.RequestKey("record", Record)


def request_id(given: str | None) -> str:
    """The client's own id if it is one that can stand in logs and headers, else a new one."""
    return given if given and GIVEN_ID.fullmatch(given) else f"req-{secrets.token_hex(12)}"


async def name_response(request: web.Request, response: web.StreamResponse) -> None:
    """The request's id on every answer of the application."""
    record = request.get(RECORD)
    response.headers[contract.HEADER_REQUEST_ID] = record.request_id if record else request_id(None)
