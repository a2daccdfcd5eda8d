"""The one mutable record of the gateway: its nodes, what it has in flight with each, and who waits for a change."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from inference_service.gateway import node_view, routing
from inference_service.gateway.beginnings import Beginnings
from inference_service.gateway.chat_request import ChatRequest
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.errors import ApiError
from inference_service.gateway.expected_ready import WarmUps
from inference_service.gateway.node_view import NodeView
from inference_service.gateway.prefixes import PrefixMemory
from inference_service.gateway.routing import Load
from inference_service.gateway.work import UsualAnswers, Work


class Fleet:
    """Nodes by instance id. The pollers write it, requests read it; `clock` counts seconds like the event loop's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.nodes: dict[str, NodeView] = {}
        self.in_flight: Counter[str] = Counter()
        self.expected_tokens: Counter[str] = Counter()  # of what is in flight, by instance id
        self.usual = UsualAnswers()
        self.prefixes = PrefixMemory()
        self.warm_ups = WarmUps()
        self.waiting = 0  # requests that no warm node could take yet
        self.waiting_bytes = 0  # of their bodies
        self.waiting_tokens = 0.0  # that they are expected to need
        self.listed_at: float | None = None
        self.closing = False
        self.beginnings = Beginnings()
        self._given_up: set[str] = set()  # nodes that missed too many polls; also after EC2 has forgotten them
        self._turns: dict[str, int] = {}
        self._requests = 0
        self._clock = clock
        self._changed = asyncio.Event()

    def found(self, nodes: Collection[FoundNode]) -> None:
        """What EC2 lists now."""
        before, self.nodes = self.nodes, node_view.merge(self.nodes, nodes, self._clock())
        for gone in before.keys() - self.nodes.keys():
            self.prefixes.forget(gone)
            self.warm_ups.forget(gone)
        self._turns = {known: turn for known, turn in self._turns.items() if known in self.nodes}
        self._given_up &= self.nodes.keys() | self.in_flight.keys()
        self.listed_at = self._clock()

    def reported(self, instance_id: str, report: Any) -> None:
        """A node's answer to a readiness poll; of a node that has gone in the meantime nothing is kept."""
        if view := self.nodes.get(instance_id):
            now = self._clock()
            self.nodes[instance_id] = node_view.reported(view, report, now, self.in_flight[instance_id])
            self.warm_ups.note(self.nodes[instance_id])
            if self.nodes[instance_id].report is not None:
                self._given_up.discard(instance_id)
            if view.routable and not self.nodes[instance_id].routable:
                self.prefixes.forget(instance_id)  # it comes back, if it does, with an engine loaded anew
            if self.nodes[instance_id].routable and not view.routable:
                self._tell()
            self._give_up(only_gone=True)

    def missed(self, instance_id: str, error: str) -> None:
        """A readiness poll without an answer."""
        if view := self.nodes.get(instance_id):
            self.nodes[instance_id] = node_view.missed(view, error)
            if view.report is not None and self.nodes[instance_id].report is None:
                self._given_up.add(instance_id)
            self._give_up()

    def _give_up(self, *, only_gone: bool = False) -> None:
        """What waits for a node that is given up goes to another one.

        When another node answers a poll, only what waits for nodes that EC2 has forgotten: those that it lists may
        answer theirs in the same moment.
        """
        if self._given_up:
            self.beginnings.end(
                lambda each: (
                    not (only_gone and each.node in self.nodes) and self.hopeless(each.node, each.model, each.version)
                )
            )

    def hopeless(self, instance_id: str, model: str, version: str | None) -> bool:
        """Whether a node is gone, and another one could do its work.

        That is one that answered its latest poll: where all miss theirs the polls may be at fault, and what still comes
        is better than nothing.
        """
        answering = (each for each in self.nodes.values() if each.missed_readiness == 0)
        return instance_id in self._given_up and any(each.serves(model, version) for each in answering)

    def set_aside(self, instance_id: str) -> None:
        """Send nothing more to a node that has just failed a request, until its next good report."""
        if view := self.nodes.get(instance_id):
            self.nodes[instance_id] = replace(view, set_aside=True)

    def close(self) -> None:
        """Stop waiting for nodes: this gateway is leaving."""
        self.closing = True
        self._tell()

    def choose(self, model: str, tried: Collection[str], work: Work, version: str | None = None) -> NodeView | None:
        usual = self.usual.of(model)
        candidates = [each for each in self.nodes.values() if each.serves(model, version)]
        loads = [self._load(each, work, usual) for each in candidates if each.found.instance_id not in tried]
        best = routing.choose(loads, work.answer_tokens(usual))
        return best.view if best else None

    def _load(self, view: NodeView, work: Work, usual: float) -> Load:
        instance_id = view.found.instance_id
        tokens = self.expected_tokens[instance_id] + view.others_in_flight * usual
        unread = work.prompt_cost(self.prefixes.known_bytes(instance_id, work.blocks))
        return Load(view, tokens / view.slots, unread, self._turns.get(instance_id, 0))

    def free_slots(self, model: str, version: str) -> int:
        """Of all nodes that could take a stream of this version."""
        free = 0
        for view in self.nodes.values():
            if view.serves(model, version):
                free += max(0, view.slots - view.others_in_flight - self.in_flight[view.found.instance_id])
        return free

    def no_warm_node(self, model: str) -> ApiError:
        measured, now = self.warm_ups.measured(model), self._clock()
        return routing.no_warm_node(self.nodes.values(), model, now, measured, listed=self.listed_at is not None)

    @contextmanager
    def request_to(self, view: NodeView, work: Work) -> Iterator[None]:
        """Count one request as in flight with a node."""
        instance_id = view.found.instance_id
        tokens = round(work.answer_tokens(self.usual.of(view.found.model)) + work.prompt_cost(0))
        self.expected_tokens[instance_id] += tokens
        self.prefixes.remember(instance_id, work.blocks)
        self.in_flight[instance_id] += 1
        self._requests += 1
        self._turns[instance_id] = self._requests
        try:
            yield
        finally:
            self.expected_tokens[instance_id] -= tokens
            self.in_flight[instance_id] -= 1
            if not self.in_flight[instance_id]:
                del self.in_flight[instance_id], self.expected_tokens[instance_id]
            if self.closing:
                self._tell()

    @contextmanager
    def request_waiting(self, chat: ChatRequest) -> Iterator[None]:
        """Count one request as waiting for a warm node."""
        size, tokens = len(chat.body), self.tokens_of(chat)
        self.waiting, self.waiting_bytes = self.waiting + 1, self.waiting_bytes + size
        self.waiting_tokens += tokens
        try:
            yield
        finally:
            self.waiting, self.waiting_bytes = self.waiting - 1, self.waiting_bytes - size
            self.waiting_tokens = self.waiting_tokens - tokens if self.waiting else 0.0

    def tokens_of(self, chat: ChatRequest) -> float:
        """The work of a request that no node has read yet, in tokens to decode."""
        return chat.work.answer_tokens(self.usual.of(chat.model)) + chat.work.prompt_cost(0)

    async def wait_for_change(self, seconds: float) -> None:
        """Return when a node has become routable, this gateway leaves, or after `seconds`."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def describe(self) -> dict[str, Any]:
        """What PATH_FLEET answers."""
        return {"nodes": [self._describe(view) for view in self.nodes.values()]}

    def _describe(self, view: NodeView) -> dict[str, Any]:
        ago = None if view.seen_at is None else round(self._clock() - view.seen_at, 3)
        return {
            "instance_id": view.found.instance_id,
            "address": view.found.address,
            "zone": view.found.zone,
            "market": view.found.market,
            "model": view.found.model,
            "seen_seconds_ago": ago,
            "in_flight": self.in_flight[view.found.instance_id],
            "routable": view.routable,
            "report": view.report,
            "error": view.error,
        }

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
