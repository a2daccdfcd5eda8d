"""Each kind of loss is counted, and ends a chaos run with a word about it: a ledger that misses one proves nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from inference_service import contract
from scripts.chaos import client, load
from scripts.chaos.client import Asking, ask
from scripts.chaos.ledger import Entry, counts, failures, totals

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GOOD = b'data: {"choices":[{"delta":{"content":"a b"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def entry(**known: Any) -> Entry:
    return Entry(**{"key": "key", "expected": "a b", "stream": True} | known)


GOOD_ENTRY = {"accepted": True, "answers": ["a b"]}


@pytest.mark.parametrize(
    ("known", "field"),
    [
        ({"accepted": True}, "lost"),
        ({"accepted": True, "answers": ["a b", "a b"]}, "duplicated"),
        ({"accepted": True, "answers": ["a c"]}, "text_mismatches"),
        (GOOD_ENTRY | {"cut": 1}, "cut"),
        (GOOD_ENTRY | {"unexpected": ["500"]}, "unexpected"),
        ({}, "refused"),
    ],
)
def test_each_loss_is_counted_and_named(known: dict[str, Any], field: str):
    found = counts([entry(**GOOD_ENTRY), entry(**known)], resumed=0)
    assert getattr(found, field) == 1
    assert failures(found, 5, 20) == [f"{field} is 1, must be 0"]


def test_what_may_happen_is_no_failure():
    fine = entry(**GOOD_ENTRY, reconnects=2, cut_unresumable=1, longest_gap=3.0)
    assert failures(counts([fine], resumed=4, unready=5.0, gone=20.0), 5, 20) == []


def test_late_reactions_to_a_notice_are_named_with_their_limit():
    late = counts([entry(**GOOD_ENTRY)], 0, unready=5.1, gone=20.5)
    assert [each.split(";")[1] for each in failures(late, 5, 20)] == [" 5 s are allowed", " 20 s are allowed"]


def test_totals_are_sums_and_the_longest_durations():
    one, two = counts([entry(**GOOD_ENTRY)], 1, unready=2.0), counts([entry(), entry()], 2, gone=7.0)
    total = totals([one, two])
    assert (total.requests, total.answered, total.resumed) == (3, 1, 3)
    assert (total.notice_to_unready_seconds, total.notice_to_gone_seconds) == (2.0, 7.0)


def test_the_same_seed_asks_the_same_questions():
    first, again, other = (load.entries("notice", 20, seed) for seed in (1, 1, 2))
    assert [each.expected for each in first] == [each.expected for each in again]
    assert [each.expected for each in first] != [each.expected for each in other]
    assert len({each.key for each in first}) == 20


@pytest.fixture
async def asked() -> AsyncIterator[Callable[..., Awaitable[Entry]]]:
    """Asks a gateway that answers as given, then another one, by default a good one."""
    runners: list[web.AppRunner] = []

    async def serve(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post(contract.PATH_CHAT_COMPLETIONS, handler)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}"

    async def one(handler: Handler, *others: Handler, ended: bool = False, shared: bool = True, **known: Any) -> Entry:
        urls = [await serve(each) for each in (handler, *(others or (good,)))]
        made = entry(**known)
        async with aiohttp.ClientSession() as http:
            clock = asyncio.get_running_loop().time
            asking = Asking(http, "m", lambda: urls, lambda url: ended, clock, keys_are_shared=shared)
            await ask(asking, made, 0)
        return made

    yield one
    for runner in runners:
        await runner.cleanup()


async def good(_: web.Request) -> web.StreamResponse:
    return web.Response(body=GOOD + DONE)


async def breaks(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    await answer.write(GOOD)
    assert request.transport is not None
    request.transport.abort()
    return answer


async def test_a_stream_without_its_end_is_cut_and_asked_for_again(asked: Any):
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=GOOD)

    made = await asked(handler)
    assert (made.cut, made.answers, made.accepted) == (1, ["a b"], True)


async def test_an_error_event_is_a_cut_and_is_quoted(asked: Any):
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=GOOD + b'data: {"error":{"code":"stream_interrupted","message":"lost"}}\n\n')

    made = await asked(handler)
    assert (made.cut, made.unexpected) == (1, ["cut: lost"])


@pytest.mark.parametrize(("ended", "cut"), [(False, 1), (True, 0)])
async def test_a_broken_connection_is_a_cut_unless_its_gateway_was_struck(asked: Any, ended: bool, cut: int):
    made = await asked(breaks, ended=ended)
    assert (made.cut, made.reconnects, made.answers) == (cut, 1, ["a b"])


@pytest.mark.parametrize(("status", "unexpected"), [(429, 0), (503, 0), (500, 1), (400, 1)])
async def test_a_refusal_is_no_acceptance_and_an_error_is_unexpected(asked: Any, status: int, unexpected: int):
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    made = await asked(handler)
    assert len(made.unexpected) == unexpected
    assert made.answers == ["a b"]


def again(text: bytes = GOOD + DONE, **headers: str) -> Handler:
    """A gateway that says this to everyone."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=text, headers=headers)

    return handler


MARKED = {contract.HEADER_REPLAYED: "true"}
OTHER = GOOD.replace(b'"choices"', b'"id":"2","choices"')


@pytest.mark.parametrize(
    ("other", "duplicated"),
    [
        (again(**MARKED), 0),
        (again(), 1),  # the same by chance, and not said to be
        (again(OTHER + DONE, **MARKED), 1),
        (again(OTHER + DONE), 1),
    ],
)
async def test_a_client_that_asks_again_gets_the_answer_it_had_or_it_is_a_second_effect(
    asked: Any, other: Handler, duplicated: int
):
    made = await asked(good, other, again=True)
    found = counts([made], resumed=0)
    assert (found.asked_again, found.duplicated, found.lost, found.text_mismatches) == (1, duplicated, 0, 0)


async def test_an_answer_that_is_not_streamed_is_compared_as_well(asked: Any):
    def whole(name: str) -> bytes:
        return b'{"id":"%s","choices":[{"message":{"content":"a b"}}]}' % name.encode()

    for second, duplicated in (("1", 0), ("2", 1)):
        made = await asked(again(whole("1")), again(whole(second), **MARKED), again=True, stream=False)
        assert counts([made], resumed=0).duplicated == duplicated


async def test_who_is_turned_away_when_asking_again_goes_on_until_answered(asked: Any):
    statuses = [409, 503]

    async def busy_then_replays(request: web.Request) -> web.StreamResponse:
        return web.Response(status=statuses.pop(0)) if statuses else await again(**MARKED)(request)

    made = await asked(good, busy_then_replays, again=True)
    assert (counts([made], resumed=0).duplicated, statuses, made.unexpected) == (0, [], [])


@pytest.mark.parametrize(("shared", "duplicated"), [(True, 1), (False, 0)])
async def test_while_keys_hold_for_one_gateway_alone_that_one_is_asked_again(asked: Any, shared: bool, duplicated: int):
    answers = [again(), again(**MARKED)]

    async def remembers(request: web.Request) -> web.StreamResponse:
        return await answers.pop(0)(request)

    made = await asked(remembers, good, again=True, shared=shared)
    assert counts([made], resumed=0).duplicated == duplicated


def test_a_share_of_the_clients_asks_again_and_the_seed_says_which():
    chosen = [[each.again for each in load.entries("notice", 200, seed)] for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert 30 <= sum(chosen[0]) <= 70


TURNED_AWAY = b'data: {"error":{"code":"no_warm_node","message":"no node is warm"}}\n\n'


async def test_a_stream_that_is_refused_after_its_status_is_seen_and_asked_for_again(asked: Any):
    made = await asked(again(b": waiting\n\n" + TURNED_AWAY))
    found = counts([made], resumed=0)
    assert (found.client_reconnects, found.answered, found.cut, found.unexpected) == (1, 1, 0, 0)


async def test_a_refusal_after_the_first_token_is_a_cut(asked: Any):
    assert counts([await asked(again(GOOD + TURNED_AWAY))], resumed=0).cut == 1


async def test_one_that_is_refused_after_its_status_until_patience_ends_is_lost_and_says_why(
    asked: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.3)
    refusing = again(TURNED_AWAY)
    made = await asked(refusing, refusing)
    assert counts([made], resumed=0).lost == 1
    assert set(made.unexpected) == {"turned away after its status 200: no_warm_node"}
