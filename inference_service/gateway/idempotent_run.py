"""One answer under an Idempotency-Key: what of it has come, and what of that may go out."""

import asyncio
from collections.abc import Mapping

from inference_service.gateway.errors import ApiError

END, LAST = b"\n\n", b"data: [DONE]\n\n"
STREAM = "text/event-stream"
MOST_ANSWER_BYTES = 32 << 20


class Run:
    """One answer. `visible` of `body` may go out; `status` is None before it has begun."""

    def __init__(self, identity: str, fingerprint: str) -> None:
        self.identity, self.fingerprint = identity, fingerprint
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()
        self.visible = 0
        self.ended = False
        self.complete = False
        self.replayed = False
        self.error: ApiError | None = None
        self.clients = 0
        self.giving_up: asyncio.TimerHandle | None = None
        self.owner = ""  # what tells its writes from all others
        self.etag: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.writing = asyncio.Lock()  # of what is kept: each write names the one before
        self._changed = asyncio.Event()

    @property
    def streamed(self) -> bool:
        return self.headers.get("Content-Type", "").startswith(STREAM)

    def tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self) -> None:
        await self._changed.wait()

    def take(self, data: bytes) -> None:
        """More of the answer; of a stream all but its [DONE] may go out, of another answer nothing yet."""
        self.body += data
        if len(self.body) > MOST_ANSWER_BYTES:
            raise ApiError(502, f"An answer of more than {MOST_ANSWER_BYTES} bytes.", code="bad_node_answer")
        if self.streamed:
            end = self.body.rfind(END, self.visible) + len(END)
            if end > self.visible:
                self.visible = end - len(LAST) if self.body.endswith(LAST, 0, end) else end
            self.tell()

    @property
    def whole(self) -> bool:
        return self.status == 200 and (self.body.endswith(LAST) or not self.streamed)

    def end(self, *, complete: bool) -> None:
        self.ended, self.complete, self.visible = True, complete, len(self.body)
        self.tell()

    def replay(self, headers: Mapping[str, str], body: bytes) -> None:
        """The whole answer, as it was given before."""
        self.status, self.headers, self.body, self.replayed = 200, headers, bytearray(body), True
        self.end(complete=True)

    def fail(self, error: ApiError) -> None:
        """Nothing more comes: a client that has a part gets an event that says so."""
        del self.body[self.visible :]
        if self.status is None or not self.streamed:
            self.error = error
        else:
            self.body += error.event()
        self.end(complete=False)
