"""`warmfleet load`: who asks when, what counts as lost, and that an interrupted load still tells what it knows."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from inference_service import contract
from scripts.chaos.client import Asking
from scripts.chaos.ledger import Entry
from scripts.commands.load import _tell, _wanted, in_words
from scripts.exit_codes import INTERRUPTED, USAGE, CommandError
from scripts.load.profile import parsed
from scripts.load.run import Load, Wanted
from scripts.load.tally import Tally

EVENT = b'data: {"choices": [{"delta": {"content": "hello"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def clients(text: str) -> Wanted:
    return Wanted(clients=parsed("--clients", text, 1000, whole=True))


def rate(text: str) -> Wanted:
    return Wanted(rate=parsed("--rate", text, 200, whole=False))


def test_a_profile_has_its_level_until_the_second_in_which_a_segment_ends() -> None:
    profile = clients("0:60,10:180,0:120").profile
    assert profile.seconds == 360
    assert [profile.level(at) for at in (0, 59.9, 60, 239.9, 240, 360)] == [0, 0, 10, 10, 0, 0]


@pytest.mark.parametrize(
    ("text", "moments"),
    [("2:2", [0, 0.5, 1, 1.5]), ("0:3,1:2", [3, 4]), ("0.5:3,1:2", [0, 2, 3.5, 4.5]), ("1:1,0:5,1:1", [0, 6])],
)
def test_requests_of_a_rate_come_evenly_and_no_segment_loses_one(text: str, moments: list[float]) -> None:
    assert list(rate(text).profile.arrivals()) == pytest.approx(moments)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("10", None), "'10' is no segment; LEVEL:SECONDS is, with a whole number from 0 to 1000"),
        (("2.5:10", None), "'2.5:10' is no segment"),
        (("-1:10", None), "'-1:10' is no segment"),
        (("1001:10", None), "'1001:10' is no segment"),
        (("1:0", None), "'1:0' lasts 0 s"),
        (("1:90000", None), "'1:90000' lasts 90000 s"),
        (("1:50000,1:50000", None), "lasts 100000 s; a day"),
        (("0:10", None), "asks for nothing"),
        ((None, "nan:10"), "'nan:10' is no segment"),
        (("1:1", "1:1"), "are both given; give one of them"),
        ((None, None), "give --clients or --rate"),
    ],
)
def test_a_profile_that_cannot_be_asked_is_one_sentence(given: tuple[str | None, str | None], said: str) -> None:
    with pytest.raises(CommandError) as refused:
        _wanted(*given)
    assert said in str(refused.value)
    assert refused.value.exit_code == USAGE


def test_taken_and_never_answered_is_lost_and_never_taken_is_refused() -> None:
    tally = Tally(asked=4)
    tally.add(Entry("a", "", True, accepted=True, answers=["x"], first_token_seconds=0.5))
    tally.add(Entry("b", "", True, accepted=True))
    tally.add(Entry("c", "", True))
    assert (tally.answered, tally.lost, tally.refused, tally.open) == (1, 1, 1, 1)
    assert tally.problems() == ["lost is 1, must be 0"]
    words = in_words(tally.as_document())
    assert "lost        1" in words
    assert words[-1] == "first token p50 0.50 s, p90 0.50 s, p99 0.50 s"


def test_ended_by_a_person_it_tells_what_it_knows_and_ends_as_shells_count(capsys: pytest.CaptureFixture[str]) -> None:
    ended: Any = SimpleNamespace(tally=Tally(asked=2, answered=1, abandoned=1), seconds=3.0)
    with pytest.raises(SystemExit) as code:
        _tell(ended, as_json=True, interrupted=True)
    assert code.value.code == INTERRUPTED
    told = json.loads(capsys.readouterr().out)
    assert (told["interrupted"], told["asked"], told["abandoned"], told["lost"]) == (True, 2, 1, 0)


@asynccontextmanager
async def asking(handler: Handler) -> AsyncIterator[Asking]:
    app = web.Application()
    app.router.add_post(contract.PATH_CHAT_COMPLETIONS, handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url("")).rstrip("/")
        yield Asking(http, "m", lambda: [url], lambda _: False, time.monotonic, {"max_completion_tokens": 5})


async def answered(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(EVENT + DONE)
    return response


async def test_clients_ask_one_request_after_another_with_one_key_each() -> None:
    at_once, most, keys, bodies = itertools.count(), 0, [], []
    open_now = 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal open_now, most
        next(at_once)
        open_now, most = open_now + 1, max(most, open_now + 1)
        keys.append(request.headers[contract.HEADER_IDEMPOTENCY_KEY])
        bodies.append(await request.json())
        await asyncio.sleep(0.05)
        open_now -= 1
        return await answered(request)

    async with asking(count) as given:
        load = Load(given, clients("3:0.6,0:0.1"), lambda _: None)
        await load.run()
    assert most == 3
    assert load.tally.asked == load.tally.answered == len(keys) == len(set(keys)) > 3
    assert {(body["model"], body["max_completion_tokens"], body["stream"]) for body in bodies} == {("m", 5, True)}
    assert load.tally.problems() == []


async def test_a_rate_does_not_wait_for_answers_and_refused_requests_are_asked_again() -> None:
    refusals = iter([True] * 3)

    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503) if next(refusals, False) else await answered(request)

    async with asking(busy) as given:
        load = Load(given, rate("10:0.5"), lambda _: None)
        await load.run()
    assert (load.tally.asked, load.tally.answered, load.tally.refused) == (5, 5, 0)


async def test_a_load_that_is_ended_leaves_no_request_open_and_calls_none_of_them_lost() -> None:
    begun = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.sleep(60)
        return web.Response()

    async with asking(never) as given:
        load = Load(given, clients("2:60"), lambda _: None)
        running = asyncio.create_task(load.run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (load.tally.abandoned, load.tally.lost, load.tally.open) == (2, 0, 0)
    assert load.tally.problems() == []
