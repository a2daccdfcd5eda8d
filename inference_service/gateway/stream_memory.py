"""What the gateway keeps of a stream, so that another node can go on with it: token ids, and the answer's name."""

import json
from dataclasses import dataclass, field
from typing import Any

from inference_service import contract
from inference_service.gateway.event_stream import EventCutter

MEASURED_SECONDS = 1.0  # after which a stream's pace is taken for its pace
MOST_IDS_BYTES = 4 << 20  # half a million tokens, more than a context holds: a bound against a node that never ends


@dataclass
class StreamMemory:
    """One answer. `ids` is filled by an EventCutter: about six bytes a token, unparsed until they are needed."""

    version: str
    ids: bytearray = field(default_factory=bytearray)
    answer_id: str | None = None
    created: int | None = None

    @property
    def tokens(self) -> int:
        return self.ids.count(b"[") + self.ids.count(b",")

    def name(self, events: bytes) -> None:
        """Learn the answer's name from the first events that a client gets; comments name none."""
        for event in events.split(b"\n\n"):
            if event.startswith(b"data: {"):
                document = json.loads(event[6:])
                self.answer_id, self.created = document.get("id"), document.get("created")
                return

    def goes_on(self, cutter: EventCutter) -> None:
        """From here on this cutter gives the events."""
        self.ids += cutter.ids
        cutter.ids = self.ids

    def token_ids(self) -> list[int]:
        return [int(each) for each in bytes(self.ids).replace(b"[", b",").split(b",") if each]

    def rest_of(self, body: bytes) -> bytes:
        """The request for the rest of the answer that `body` asked for."""
        ours: dict[str, Any] = {contract.RESUME_TOKEN_IDS: self.token_ids()}
        if self.answer_id is not None:
            ours |= {contract.RESUME_ID: self.answer_id, contract.RESUME_CREATED: self.created}
        return json.dumps(json.loads(body) | {contract.CHUNK_EXTENSION: ours}).encode()


@dataclass(frozen=True)
class Carried:
    """How far a stream was when a node took it on: `since` seconds on the event loop's clock, after so many tokens."""

    node: str
    model: str
    memory: StreamMemory
    since: float
    tokens_then: int
    most_tokens: int | None = None  # the client's own limit on the whole answer

    def tokens_a_second(self, now: float) -> float:
        return (self.memory.tokens - self.tokens_then) / (now - self.since)

    def seconds_left(self, now: float) -> float | None:
        """That it takes at this pace, if the answer becomes as long as it may.

        None where that cannot be said: too early, without a limit, or held back by the node, so that no token has come.
        """
        if self.most_tokens is None or now - self.since < MEASURED_SECONDS:
            return None
        pace = self.tokens_a_second(now)
        return (self.most_tokens - self.memory.tokens) / pace if pace else None
