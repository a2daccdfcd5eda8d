"""Idempotency-Key: requests with one key and one body get one answer, whichever gateway they reach."""

import asyncio
import contextlib
import hashlib
import json
import re

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler, Middleware

from inference_service import contract
from inference_service.gateway import patience
from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_lease import other_body
from inference_service.gateway.idempotent_run import Run
from inference_service.gateway.idempotent_runs import Runs
from inference_service.gateway.open_requests import OpenRequests, Place, body_of
from inference_service.gateway.request_record import RECORD, Record
from inference_service.gateway.settings import GatewaySettings

GIVEN = re.compile(r"[\x21-\x7e]{1,255}")
# What the gateway goes by; no other header of a client matters to an answer.
PASSED = {
    contract.HEADER_DEADLINE,
    contract.HEADER_CONNECT_TIMEOUT,
    contract.HEADER_SILENCE_TIMEOUT,
    contract.HEADER_TOTAL_TIMEOUT,
}


def idempotency_guard(runs: Runs, opened: OpenRequests, settings: GatewaySettings) -> Middleware:
    """Takes requests with an Idempotency-Key out of the usual way."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(contract.HEADER_IDEMPOTENCY_KEY)
        if given is None or (request.method, request.path) != ("POST", contract.PATH_CHAT_COMPLETIONS):
            return await handler(request)
        if not GIVEN.fullmatch(given):
            text = f"{contract.HEADER_IDEMPOTENCY_KEY} has to be 1 to 255 visible ASCII characters."
            raise ApiError(400, text, param=contract.HEADER_IDEMPOTENCY_KEY)
        with opened.admit() as place:
            run = await _run_for(request, given, place)
            return await _follow(runs, run, request, request[RECORD], settings.stall_seconds)

    async def _run_for(request: web.Request, given: str, place: Place) -> Run:
        """The answer under the key, found or begun. The body is the run's alone from here on."""
        record = request[RECORD]
        wait = patience.read(request.headers, settings.longest_wait_seconds).begin or settings.replay_wait_seconds
        body = await body_of(request, place, settings.body_seconds)
        place.let_body_go()
        identity, print_ = identity_of(record.key, given), fingerprint(body)
        run = runs.find(identity)
        if run is None:
            run = runs.begin(identity, print_, body, _passed(request, record), wait)
            record.silent = True  # the request inside is the one that is told of
        else:
            record.replayed = True
        if run.fingerprint != print_:
            raise other_body()
        return run

    return guard


@web.middleware
async def named_inside(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request inside the gateway brings its key's name along; its place is held by the run that asks."""
    request[RECORD].key, request[RECORD].inside = request.headers.get(contract.HEADER_KEY_NAME), True
    return await handler(request)


def identity_of(key: str | None, given: str) -> str:
    """Two clients may choose the same Idempotency-Key: each API key has its own."""
    return hashlib.sha256(f"{key or ''}\0{given}".encode()).hexdigest()


def fingerprint(body: bytes) -> str:
    """The same for the same JSON, however it is written."""
    with contextlib.suppress(ValueError, RecursionError):  # it will be refused
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest()


def _passed(request: web.Request, record: Record) -> dict[str, str]:
    kept = {name: value for name, value in request.headers.items() if name.lower() in PASSED}
    named = {contract.HEADER_KEY_NAME: record.key} if record.key else {}
    return {**kept, **named, contract.HEADER_REQUEST_ID: record.request_id}


async def _follow(runs: Runs, run: Run, request: web.Request, record: Record, stall: float) -> web.StreamResponse:
    runs.join(run)
    try:
        while run.status is None and not run.ended:
            await run.change()
        if run.replayed:
            record.replayed, record.silent = True, False
        if run.status == 200 and run.streamed:
            return await _stream(run, request, record, stall)
        while not run.ended:
            await run.change()
        if run.error:
            record.silent = False
            raise run.error
        return web.Response(body=bytes(run.body), status=run.status or 502, headers=_headers(run, record))
    finally:
        runs.leave(run)


async def _stream(run: Run, request: web.Request, record: Record, stall: float) -> web.StreamResponse:
    """From the answer's beginning, then as it comes. A client that takes nothing is left behind."""
    response = web.StreamResponse(headers=_headers(run, record) | {"Cache-Control": "no-cache"})
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    sent = 0
    while True:
        if sent < run.visible:
            data, sent = bytes(run.body[sent : run.visible]), run.visible
            try:
                async with asyncio.timeout(stall):
                    await response.write(data)
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError("the client takes nothing") from None
        elif run.ended:
            break
        else:
            await run.change()
    await response.write_eof()
    return response


def _headers(run: Run, record: Record) -> dict[str, str]:
    return {**run.headers, **({contract.HEADER_REPLAYED: "true"} if record.replayed else {})}
