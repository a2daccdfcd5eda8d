"""Carries a stream over the loss of its node: another one of the same version goes on from the tokens so far.

The client sees one answer (docs/resume.md). What a node withheld, or sent in an event that did not arrive whole, was
never the client's: it is decoded again.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from inference_service import contract
from inference_service.gateway.chat_request import ChatRequest
from inference_service.gateway.dispatch import BUSY_PAUSE_SECONDS, Dispatcher
from inference_service.gateway.errors import ApiError
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.request_record import Record
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stream_memory import MOST_IDS_BYTES, StreamMemory
from inference_service.gateway.upstream import NodeFailedError, Opening
from inference_service.gateway.waiting import FOR_ANOTHER_NODE, Client, with_comments

MOST_FRUITLESS = 3  # takeovers in a row without one more token: the answer itself may be what nodes fail on
MOST_TAKEOVERS = 32


@dataclass
class Takeovers:
    """What has been tried for one stream."""

    failed: set[str] = field(default_factory=set)  # nodes that failed this answer: others come first
    count: int = 0
    fruitless: int = 0
    tokens: int = 0  # of the answer, when it was last taken over

    def refusal(self, memory: StreamMemory) -> str | None:
        """Why the stream that has just broken must not be taken over; None when it may."""
        self.fruitless = 0 if memory.tokens > self.tokens else self.fruitless + 1
        self.count, self.tokens = self.count + 1, memory.tokens
        if not memory.version:
            return "the node named no model version"
        if len(memory.ids) > MOST_IDS_BYTES:
            return "the answer is too long to be remembered"
        if self.fruitless >= MOST_FRUITLESS or self.count > MOST_TAKEOVERS:
            return f"it broke {self.count} times, {self.fruitless} times without a token more"
        return None


@dataclass(frozen=True)
class Resumer:
    """Finds nodes that go on with broken streams."""

    dispatcher: Dispatcher
    fleet: Fleet
    settings: GatewaySettings
    clock: Callable[[], float]

    async def take_over(
        self,
        stack: AsyncExitStack,
        chat: ChatRequest,
        record: Record,
        memory: StreamMemory,
        tried: Takeovers,
        client: Client,
    ) -> Opening:
        """The rest of the answer, begun. The client gets comments meanwhile, so that no proxy takes it for dead.

        Raises:
            ApiError: no node of the version could go on within the client's patience.
        """
        rest = replace(chat, body=memory.rest_of(chat.body), version=memory.version)
        finding = self._find(stack, rest, record, memory, tried)
        opening = await with_comments(finding, client, FOR_ANOTHER_NODE, self.settings.comment_seconds)
        memory.goes_on(opening.cutter)
        return opening

    async def _find(
        self, stack: AsyncExitStack, rest: ChatRequest, record: Record, memory: StreamMemory, tried: Takeovers
    ) -> Opening:
        deadline = self.clock() + (rest.patience.begin or self.settings.resume_wait_seconds)
        full: set[str] = set()
        while True:
            view = self.fleet.choose(rest.model, tried.failed | full, rest.work, memory.version)
            view = view or self.fleet.choose(rest.model, full, rest.work, memory.version)
            remaining = deadline - self.clock()
            if remaining <= 0:
                text = f"The answer broke off, and no node of version {memory.version} could go on in time."
                raise ApiError(503, text, code="stream_interrupted")
            if view is None:
                with self.fleet.request_waiting(rest):
                    await self.fleet.wait_for_change(min(remaining, BUSY_PAUSE_SECONDS) if full else remaining)
                full.clear()
                continue
            node = record.node = view.found.instance_id
            try:
                return await self.dispatcher.attempt(stack, view, rest, record, deadline)
            except NodeFailedError as error:
                self._failed(node, str(error), record, tried, counts=error.sent, aside=not error.hurried)
            except ApiError as error:
                if error.status == 503 and error.code == contract.CODE_NODE_BUSY:
                    full.add(node)
                elif error.status in (409, 503):  # it leaves, or serves another version: its report was old
                    self.fleet.set_aside(node)
                elif error.status >= 500 and error.status != 504:
                    self._failed(node, error.message, record, tried, counts=True)
                else:
                    raise
            if tried.fruitless >= MOST_FRUITLESS:
                raise ApiError(502, "The answer broke off: every node failed on it.", code="stream_interrupted")

    def _failed(
        self, node: str, problem: str, record: Record, tried: Takeovers, *, counts: bool, aside: bool = True
    ) -> None:
        record.failed_nodes.append(f"{node}: {problem}")
        if aside:
            self.fleet.set_aside(node)
        tried.failed.add(node)
        tried.fruitless += counts
