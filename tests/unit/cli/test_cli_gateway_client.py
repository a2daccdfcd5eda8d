"""Questions to a gateway on loopback that answers as written here."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

from scripts.gateway_client import GatewayError, GatewayUnreachableError, Question, ask, nodes, refusal

HANDLER = Callable[[web.Request], "object"]


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a server in a thread; gives its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runners: list[web.AppRunner] = []

    def start(method: str, path: str, handler: object) -> str:
        async def listen() -> str:
            app = web.Application()
            app.router.add_route(method, path, handler)  # type: ignore[arg-type]
            runner = web.AppRunner(app)
            runners.append(runner)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        return asyncio.run_coroutine_threadsafe(listen(), loop).result(10)

    yield start
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def streaming(*parts: bytes, wait: threading.Event | None = None) -> object:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "x-warmfleet-model-version": "v1"})
        await response.prepare(request)
        await response.write(parts[0])
        if wait:
            await asyncio.to_thread(wait.wait, 10)
        for part in parts[1:]:
            await response.write(part)
        await response.write_eof()
        return response

    return handler


CHAT = ("POST", "/v1/chat/completions")
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n\n'
DONE = b"data: [DONE]\n\n"


def test_each_piece_is_handed_over_before_the_next_one_is_made(serve: Callable[..., str]) -> None:
    got_first = threading.Event()  # the server writes nothing more before the client has seen the first piece
    seen: list[str] = []

    def see(piece: str) -> None:
        seen.append(piece)
        got_first.set()

    url = serve(*CHAT, streaming(chunk("A "), chunk("balancer"), USAGE, DONE, wait=got_first))
    answer = ask(url, Question("tiny", "what?"), see)
    assert seen == ["A ", "balancer"]
    assert (answer.text, answer.model, answer.version, answer.tokens) == ("A balancer", "tiny", "v1", 7)
    assert 0 < answer.first_token_seconds <= answer.seconds


def test_the_clients_patience_goes_with_the_question(serve: Callable[..., str]) -> None:
    asked: list[tuple[str, object]] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append((request.headers["x-request-timeout-seconds"], await request.json()))
        return web.Response(text="data: [DONE]\n\n")

    ask(serve(*CHAT, handler), Question("tiny", "what?", wait_seconds=12.5, most_tokens=3), lambda _: None)
    ((patience, body),) = asked
    assert patience == "12.5"
    assert isinstance(body, dict)
    assert (body["model"], body["stream"], body["max_completion_tokens"]) == ("tiny", True, 3)


def test_a_stream_without_its_end_is_no_answer(serve: Callable[..., str]) -> None:
    with pytest.raises(GatewayError, match="its end is missing"):
        ask(serve(*CHAT, streaming(chunk("half"))), Question("tiny", "what?"), lambda _: None)


def test_an_error_event_is_quoted(serve: Callable[..., str]) -> None:
    event = b'data: {"error": {"message": "the node was lost", "code": "stream_interrupted"}}\n\n'
    with pytest.raises(GatewayError, match=r"the node was lost \(stream_interrupted\)"):
        ask(serve(*CHAT, streaming(chunk("half"), event)), Question("tiny", "what?"), lambda _: None)


def test_a_503_says_when_to_ask_again(serve: Callable[..., str]) -> None:
    async def busy(_: web.Request) -> web.Response:
        document = {"error": {"message": "No node is warm", "code": "no_warm_node"}}
        return web.json_response(document, status=503, headers={"Retry-After": "30"})

    with pytest.raises(GatewayError, match=r"No node is warm \(503 no_warm_node\); ask again in 30 s") as caught:
        ask(serve(*CHAT, busy), Question("tiny", "what?"), lambda _: None)
    assert (caught.value.exit_code, caught.value.retry_after_seconds) == (1, 30)


def test_a_refused_question_is_wrong_usage() -> None:
    body = '{"error": {"message": "no such model", "code": "model_not_found"}}'
    assert refusal(404, body, {}).exit_code == 64
    assert "503: Bad gateway" in str(refusal(503, "Bad gateway", {}))


def test_nobody_at_the_address_is_one_clear_line() -> None:
    with pytest.raises(GatewayUnreachableError, match=r"^no gateway answers at http://127\.0\.0\.1:9"):
        nodes("http://127.0.0.1:9")


def test_a_load_balancer_without_a_gateway_is_not_taken_for_one(serve: Callable[..., str]) -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.Response(status=503)

    with pytest.raises(GatewayUnreachableError, match="the load balancer says 503"):
        nodes(serve("GET", "/warmfleet/nodes", empty))
