"""Finds a node that answers: waits for a warm one, tries another while the client has not seen a byte."""

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from inference_service import contract
from inference_service.gateway.beginnings import Beginning
from inference_service.gateway.chat_request import ChatRequest
from inference_service.gateway.demand import DemandMeter
from inference_service.gateway.errors import ApiError, NodeRefusedError
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.node_view import NodeView
from inference_service.gateway.request_record import Record
from inference_service.gateway.routing import BUSY_SECONDS
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.upstream import CONNECT_SECONDS, Limits, NodeFailedError, Opening, begin

MOST_LOST = 4  # a request that takes its nodes down must not go round the fleet; three lost at once are no such sign
BUSY_PAUSE_SECONDS = 0.25
QUEUE_FULL_SECONDS = 10


@dataclass
class Attempts:
    """What has been tried for one request. Nodes that were lost are set aside in the fleet, for every request."""

    full: set[str] = field(default_factory=set)  # said so a moment ago
    failed: set[str] = field(default_factory=set)  # this request alone
    failure: ApiError | None = None  # the last of those: what the client hears when no other node is left
    lost: int = 0  # nodes that this request may have taken down, or was hurried past
    busy: bool = False
    waited: bool = False


class Dispatcher:
    """Sends requests to nodes of the fleet."""

    def __init__(
        self, fleet: Fleet, http: aiohttp.ClientSession, settings: GatewaySettings, clock: Callable[[], float]
    ) -> None:
        self._fleet = fleet
        self._http = http
        self._settings = settings
        self._clock = clock
        self.demand = DemandMeter(settings.models, settings.slo_wait_seconds)

    async def open(self, stack: AsyncExitStack, chat: ChatRequest, record: Record) -> Opening:
        """An answer that has begun. Closing `stack` ends it, on the node too.

        Raises:
            ApiError: no node is warm in time, every node refuses, or nodes were lost over this request.
        """
        self.demand.offered(chat.model, self._fleet.tokens_of(chat))
        try:
            opening = await self._open(stack, chat, record)
        except ApiError as error:
            if error.status >= 429:  # not the client's mistake: there was no node for it
                self.demand.refused(chat.model)
            raise
        self.demand.began(chat.model, self._clock() - record.started)
        return opening

    async def _open(self, stack: AsyncExitStack, chat: ChatRequest, record: Record) -> Opening:
        deadline = record.started + min(chat.patience.begin or 0, chat.patience.total or math.inf)
        attempts = Attempts()
        while True:
            view = await self._warm_node(chat, attempts, record, deadline)
            record.node = view.found.instance_id
            try:
                return await self.attempt(stack, view, chat, record, deadline)
            except NodeFailedError as error:
                record.failed_nodes.append(f"{view.found.instance_id}: {error}")
                self._lost(view, attempts, error)
            except NodeRefusedError as error:
                if error.status < 500:
                    raise
                self._refused(view, attempts, record, error)
            if attempts.lost >= MOST_LOST:
                text = f"{attempts.lost} nodes were lost before they began to answer this request."
                raise attempts.failure or ApiError(502, text, code="nodes_lost")

    def learn(self, model: str, tokens: int) -> None:
        """An answer of `model` has ended after so many tokens, streamed or not."""
        if tokens:
            self._fleet.usual.learn(model, tokens)

    def _lost(self, view: NodeView, attempts: Attempts, error: NodeFailedError) -> None:
        """Who lets nodes no time to answer cannot take them away from everybody: they are good for other requests."""
        if error.hurried:
            text = f"No node took the connection within the time of {contract.HEADER_CONNECT_TIMEOUT}."
            attempts.failure = ApiError(504, text, code="deadline_exceeded")
            attempts.failed.add(view.found.instance_id)
        else:
            self._fleet.set_aside(view.found.instance_id)
        attempts.lost += error.sent or error.hurried

    def _refused(self, view: NodeView, attempts: Attempts, record: Record, error: NodeRefusedError) -> None:
        """A node that is full may have room in a moment; one that drains is no node to us until it says otherwise.

        One whose engine failed stays for others: it lives and says so itself when it cannot serve. Whoever sends what
        engines fail on would else take the fleet away from everybody.
        """
        node = view.found.instance_id
        if error.status != 503:
            record.failed_nodes.append(f"{node}: {error.status} {error.code}")
            attempts.failed.add(node)
            attempts.failure = error
            attempts.lost += 1
        elif error.code == contract.CODE_NODE_BUSY:
            attempts.full.add(node)
            attempts.busy = True
        else:
            self._fleet.set_aside(node)

    async def _warm_node(self, chat: ChatRequest, attempts: Attempts, record: Record, deadline: float) -> NodeView:
        while True:
            if self._fleet.closing and not record.committed:
                raise ApiError(503, "This gateway is stopping; another one answers.", code="stopping", retry_after=1)
            if view := self._fleet.choose(chat.model, attempts.full | attempts.failed, chat.work):
                return view
            if attempts.failure and not attempts.full:
                raise attempts.failure
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise self._refusal(chat.model, attempts)
            if not attempts.waited:
                self._refuse_if_many_wait(chat)
            attempts.waited = True
            tokens = self._fleet.tokens_of(chat)
            with self._fleet.request_waiting(chat), self.demand.waiting(chat.model, tokens):
                await self._fleet.wait_for_change(min(remaining, BUSY_PAUSE_SECONDS) if attempts.full else remaining)
            attempts.full.clear()

    def _refuse_if_many_wait(self, chat: ChatRequest) -> None:
        fleet, most, size = self._fleet, self._settings.most_waiting_tokens, self._settings.most_waiting_bytes
        tokens = fleet.waiting_tokens + fleet.tokens_of(chat)
        if tokens > most or fleet.waiting_bytes + len(chat.body) > size:
            text = (
                f"{fleet.waiting} requests wait for a warm node already; with this one they would need {tokens:.0f} "
                f"tokens (limit {most:.0f}) and {fleet.waiting_bytes + len(chat.body)} bytes (limit {size})."
            )
            raise ApiError(429, text, code="queue_full", kind="rate_limit_error", retry_after=QUEUE_FULL_SECONDS)

    def _refusal(self, model: str, attempts: Attempts) -> ApiError:
        if attempts.busy:
            text = f"All warm nodes of model `{model}` are busy."
            return ApiError(503, text, code="nodes_busy", retry_after=BUSY_SECONDS)
        return self._fleet.no_warm_node(model)

    async def attempt(
        self, stack: AsyncExitStack, view: NodeView, chat: ChatRequest, record: Record, deadline: float
    ) -> Opening:
        """Have this node answer. Closing `stack` ends it.

        Raises:
            NodeFailedError, ApiError: as upstream.begin.
        """
        url = f"http://{view.found.address}:{self._settings.node_port}{contract.PATH_CHAT_COMPLETIONS}"
        connect = chat.patience.connect or CONNECT_SECONDS
        beginning = Beginning(view.found.instance_id, chat.model, chat.version)
        limits = Limits(self._begin_seconds(chat, record, deadline), self._settings.most_answer_bytes, connect)
        async with AsyncExitStack() as attempt:
            attempt.enter_context(self._fleet.request_to(view, chat.work))
            async with self._fleet.beginnings.while_hoped_for(beginning):
                opening = await begin(self._http, url, chat, record.request_id, limits)
            attempt.callback(opening.response.close)
            stack.push_async_callback(attempt.pop_all().aclose)
            return opening

    def _begin_seconds(self, chat: ChatRequest, record: Record, deadline: float) -> float:
        """Without a deadline, or with 0, the client does not wait for a warm node; for an answer it does."""
        now, total = self._clock(), chat.patience.total
        left = math.inf if total is None else record.started + total - now
        if chat.patience.begin or chat.version is not None:
            return max(0.0, min(left, deadline - now))
        usual = self._settings.first_byte_seconds if chat.stream else self._settings.answer_seconds
        return max(0.0, left if total is not None and not chat.stream else min(left, usual))
