"""What a load balancer passes on, to whom, and what it says when it cannot."""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from local_cloud_making import serving, until

from localcloud.addresses import AddressClaim
from localcloud.admin import Balancing, HealthCheck, Listener, Target, TargetGroup
from localcloud.balancer import LoadBalancers
from localcloud.cloud_state import Problem, read_problems
from localcloud.places import Places
from localcloud.problems import Problems
from tests.ports import free_port

ARN = "arn:group"
CHECK = HealthCheck("/healthz", "traffic-port", 0.05, 1.0, healthy_threshold=2, unhealthy_threshold=2, matcher="200")


class ScriptedTarget:
    """An application behind the load balancer."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.health = 200
        self.requests: list[dict[str, Any]] = []
        self.release, self.began, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/breaks", self._breaks)
        app.router.add_get("/gzip", self._gzip)
        app.router.add_get("/silent", self._silent)
        app.router.add_route("*", "/{path:.*}", self._echo)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=self.health)

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = list(request.headers.items())
        self.requests.append({"path": request.raw_path, "headers": headers, "body": body, "method": request.method})
        answer = web.Response(text=self.target.instance_id, status=201, reason="Made", headers={"X-Kept": "yes"})
        answer.headers.add("Set-Cookie", "a=1")
        answer.headers.add("Set-Cookie", "b=2")
        answer.headers.update({"Connection": "X-Dropped", "X-Dropped": "hop"})
        return answer

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(b"first")
            self.began.set()
            await self.release.wait()
            await response.write(b"second")
        except asyncio.CancelledError:
            self.left.set()
            raise
        return response

    async def _breaks(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    async def _gzip(self, request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"packed"), headers={"Content-Encoding": "gzip"})

    async def _silent(self, request: web.Request) -> web.Response:
        await self.release.wait()
        return web.Response()


@dataclass
class Balanced:
    """A load balancer over two targets; `follow` tells it what there is."""

    balancers: LoadBalancers
    targets: list[ScriptedTarget]
    listener: Listener
    client: aiohttp.ClientSession
    aws: Any
    places: Places

    @property
    def url(self) -> str:
        return f"http://{self.listener.address}:{self.listener.port}"

    async def follow(self, *targets: ScriptedTarget, listeners: tuple[Listener, ...] | None = None) -> None:
        group = TargetGroup(ARN, CHECK, tuple(each.target for each in targets))
        await self.balancers.follow(Balancing((self.listener,) if listeners is None else listeners, (group,)))

    async def healthy(self, *targets: ScriptedTarget) -> None:
        """Follow and wait until each of them is in service."""
        await self.follow(*targets)
        wanted = {each.target.instance_id for each in targets}
        await until(lambda: {each for each in wanted if self.state(each) == "healthy"} == wanted, "healthy targets")

    def state(self, instance_id: str) -> str:
        return str(self.aws.health.get(ARN, {}).get(instance_id, {}).get("state"))

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.client.get(self.url + path, **more) as response:
            return response.status, await response.text()


@pytest.fixture
async def balanced(aws: Any, addresses: AddressClaim, tmp_path: Path) -> AsyncIterator[Balanced]:
    places = Places.of(tmp_path)
    places.folder.mkdir()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        targets = []
        for number in (1, 2):
            made = ScriptedTarget(Target(f"i-{number}", f"{addresses.prefix}.1.{number}", 0))
            port = await stack.enter_async_context(serving(made.app(), made.target.address))
            made.target = replace(made.target, port=port)
            targets.append(made)
        address = f"{addresses.prefix}.255.1"
        listener = Listener("web", address, free_port(address), "HTTP", ARN, idle_seconds=60.0)
        balancers = LoadBalancers(aws.admin, client, Problems(places))
        stack.push_async_callback(balancers.stop)
        yield Balanced(balancers, targets, listener, client, aws, places)


async def test_healthy_targets_take_turns(balanced: Balanced) -> None:
    await balanced.healthy(*balanced.targets)
    answers = [(await balanced.get("/who"))[1] for _ in range(6)]
    assert sorted(answers) == ["i-1"] * 3 + ["i-2"] * 3
    assert answers[:2] in (["i-1", "i-2"], ["i-2", "i-1"])


async def test_only_registered_and_healthy_targets_get_requests(balanced: Balanced) -> None:
    first, second = balanced.targets
    await balanced.follow()
    assert (await balanced.get("/who"))[0] == 503
    second.health = 500
    await balanced.healthy(first)
    await balanced.follow(first, second)
    await until(lambda: balanced.state("i-2") == "unhealthy")
    assert balanced.aws.health[ARN]["i-2"]["reason"] == "Target.ResponseCodeMismatch"
    assert {(await balanced.get("/who"))[1] for _ in range(4)} == {"i-1"}
    second.health, first.health = 200, 500
    await until(lambda: (balanced.state("i-1"), balanced.state("i-2")) == ("unhealthy", "healthy"))
    assert {(await balanced.get("/who"))[1] for _ in range(4)} == {"i-2"}
    await balanced.follow(first)
    assert (await balanced.get("/who"))[0] == 503


async def test_a_new_target_that_is_slow_to_come_up_need_not_wait_for_the_next_interval(balanced: Balanced) -> None:
    first = balanced.targets[0]
    first.health = 500
    slow = TargetGroup(ARN, replace(CHECK, interval_seconds=60.0), (first.target,))
    await balanced.balancers.follow(Balancing((balanced.listener,), (slow,)))
    await until(lambda: balanced.state("i-1") == "initial")
    first.health = 200
    await until(lambda: balanced.state("i-1") == "healthy", "health before the deadline, which is before the interval")


async def test_a_target_is_sent_the_request_as_it_is_and_where_it_came_from(balanced: Balanced) -> None:
    first = balanced.targets[0]
    await balanced.healthy(first)
    given = {
        "X-Forwarded-For": "10.0.0.9",
        "Connection": "x-hop",
        "X-Hop": "gone",
        "Host": "api.example.com",
        "X-A": "b",
    }
    skipped = {"User-Agent", "Accept", "Accept-Encoding", "Content-Type"}
    path = "/a%2fb//%7Ec?q=%20x&q=%c3%bc"
    async with aiohttp.ClientSession(skip_auto_headers=skipped) as client:
        url = aiohttp.client.URL(balanced.url + path, encoded=True)
        async with client.post(url, headers=given, data=b"body" * 50_000) as response:
            assert (response.status, response.reason, response.headers["X-Kept"]) == (201, "Made", "yes")
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert "X-Dropped" not in response.headers
    (request,) = first.requests
    assert (request["method"], request["path"]) == ("POST", path)
    assert request["body"] == b"body" * 50_000
    assert dict(request["headers"]) == {
        "Host": "api.example.com",
        "X-A": "b",
        "Content-Length": "200000",
        "X-Forwarded-For": "10.0.0.9, 127.0.0.1",
        "X-Forwarded-Port": str(balanced.listener.port),
        "X-Forwarded-Proto": "http",
    }


async def test_a_body_without_a_length_reaches_the_target_while_it_is_sent(balanced: Balanced) -> None:
    await balanced.healthy(balanced.targets[0])

    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with balanced.client.put(balanced.url + "/put", data=body(), expect100=True) as response:
        assert response.status == 201
    assert balanced.targets[0].requests[0]["body"] == b"one two"


async def test_each_part_of_an_answer_is_passed_on_when_it_comes(balanced: Balanced) -> None:
    first = balanced.targets[0]
    await balanced.healthy(first)
    async with balanced.client.get(balanced.url + "/stream") as response:
        assert await response.content.readany() == b"first"  # the target is still waiting to send the rest
        first.release.set()
        assert await response.content.read() == b"second"


async def test_a_client_that_leaves_ends_the_request_at_the_target(balanced: Balanced) -> None:
    first = balanced.targets[0]
    await balanced.healthy(first)
    async with balanced.client.get(balanced.url + "/stream") as response:
        await response.content.readany()
        response.close()
    await asyncio.wait_for(first.left.wait(), 10)


async def test_a_stream_goes_on_when_its_target_is_deregistered(balanced: Balanced) -> None:
    first, second = balanced.targets
    await balanced.healthy(first)
    async with balanced.client.get(balanced.url + "/stream") as response:
        await first.began.wait()
        await balanced.healthy(second)
        assert (await balanced.get("/who"))[1] == "i-2"
        first.release.set()
        assert await response.content.read() == b"firstsecond"


async def test_an_answer_that_breaks_off_is_not_made_to_look_complete(balanced: Balanced) -> None:
    await balanced.healthy(balanced.targets[0])
    with pytest.raises(aiohttp.ClientPayloadError):
        await balanced.get("/breaks")
    assert (await balanced.get("/who"))[0] == 201  # the balancer goes on


async def test_a_target_that_is_gone_is_502_before_a_byte_of_the_answer(balanced: Balanced) -> None:
    gone = ScriptedTarget(replace(balanced.targets[0].target, port=free_port(balanced.targets[0].target.address)))
    async with serving(gone.app(), gone.target.address, gone.target.port):
        await balanced.healthy(gone)
    status, page = await balanced.get("/who")
    assert (status, "502 Bad Gateway" in page) == (502, True)


async def test_a_target_that_says_nothing_is_504_after_the_idle_time(balanced: Balanced) -> None:
    await balanced.healthy(balanced.targets[0])
    impatient = replace(balanced.listener, port=free_port(balanced.listener.address), idle_seconds=0.1)
    await balanced.follow(balanced.targets[0], listeners=(impatient,))
    balanced.listener = impatient
    assert (await balanced.get("/silent"))[0] == 504


async def test_a_packed_answer_stays_packed_and_head_has_no_body(balanced: Balanced) -> None:
    await balanced.healthy(balanced.targets[0])
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.get(balanced.url + "/gzip") as response:
            assert gzip.decompress(await response.read()) == b"packed"
        async with client.head(balanced.url + "/who") as response:
            assert (response.status, response.headers["Content-Length"], await response.read()) == (201, "3", b"")


async def test_what_is_no_http_is_refused(balanced: Balanced) -> None:
    await balanced.follow()
    reader, writer = await asyncio.open_connection(balanced.listener.address, balanced.listener.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.0 400") or (await reader.readline()).startswith(
        b"HTTP/1.1 400"
    )
    writer.close()


async def test_a_deleted_listener_listens_no_more(balanced: Balanced) -> None:
    await balanced.healthy(balanced.targets[0])
    await balanced.balancers.follow(Balancing((), ()))
    with pytest.raises(aiohttp.ClientConnectorError):
        await balanced.get("/who")


OCCUPY = (
    "import socket, sys; s = socket.create_server(('0.0.0.0', int(sys.argv[1]))); print(flush=True); sys.stdin.read()"
)


async def test_an_occupied_port_is_a_problem_with_a_remedy_until_it_is_free(balanced: Balanced) -> None:
    port = balanced.listener.port
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", OCCUPY, str(port), stdin=pipe, stdout=pipe)
    assert other.stdout
    await other.stdout.readline()
    await balanced.follow()
    (problem,) = read_problems(balanced.places.problems_file)
    other.kill()
    await other.wait()
    assert problem.resource == f"load balancer web, listener {port}"
    assert f"port {port} at {balanced.listener.address} is in use by another program (python" in problem.text
    assert f"pid {other.pid})" in problem.text
    assert "stop it or change gateway_port in Pulumi.local.yaml" in problem.remedy
    await until(lambda: not read_problems(balanced.places.problems_file), "the end of the port's problem")
    assert (await balanced.get("/who"))[0] == 503


async def test_a_listener_that_cannot_be_simulated_is_a_problem(balanced: Balanced) -> None:
    secure = replace(balanced.listener, protocol="HTTPS")
    await balanced.follow(listeners=(secure,))
    (problem,) = read_problems(balanced.places.problems_file)
    assert isinstance(problem, Problem)
    assert "HTTPS is not simulated" in problem.text
    await balanced.follow(listeners=())
    assert read_problems(balanced.places.problems_file) == []
