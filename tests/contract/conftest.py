"""For the gateway's contract: one in the test's own process over scripted nodes, and real processes against moto."""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import aiohttp
import boto3
import pytest
from moto.server import ThreadedMotoServer

from inference_service import contract
from inference_service.artifacts import ArtifactStore, activate, publish
from inference_service.gateway import service, upstream
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.server import listening
from inference_service.gateway.settings import GatewaySettings
from tests.ports import free_port

MODEL, OTHER_MODEL = "smollm2", "qwen"
DEADLINE_SECONDS = 20
# Addresses above those that local clouds take; another process of these tests takes another third byte.
PREFIX = f"127.251.{os.getpid() % 256}"
HOSTS = (f"{PREFIX}.{last}" for last in itertools.count(10))

Behaviour = Callable[["ScriptedNode", asyncio.StreamWriter], Awaitable[None]]


class ScriptedNode:
    """Sends exactly the bytes that a test wants: each request is answered by the next behaviour, then by the last."""

    def __init__(self, host: str, behaviours: tuple[Behaviour, ...]) -> None:
        self.host, self.instance_id = host, f"i-{host.replace('.', '')}"
        self.requests: list[tuple[bytes, bytes]] = []  # head, body
        self.left = asyncio.Event()  # the gateway has closed a connection
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self._behaviours = itertools.chain(behaviours, itertools.repeat(behaviours[-1]))

    async def stop(self) -> None:
        for task, writer in self._serving.items():
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.current_task()] = writer
        # A task of start_server that ends cancelled is reported as an error: stop() ends it like a lost connection.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                self.requests.append((head, await reader.readexactly(length)))
                gone = asyncio.create_task(self._until_left(reader))
                try:
                    await next(self._behaviours)(self, writer)
                finally:
                    gone.cancel()
                    await asyncio.wait([gone])
        writer.close()

    async def _until_left(self, reader: asyncio.StreamReader) -> None:
        """aiohttp does not pipeline: bytes during an answer can only be the end of the connection."""
        with contextlib.suppress(ConnectionError):
            if await reader.read(1) == b"":
                self.left.set()
                return
        self.left.set()


@dataclass
class GatewayInProcess:
    """A gateway without pollers: the test says which nodes there are and what they report."""

    gateway: service.Gateway
    settings: GatewaySettings
    url: str
    server: asyncio.Server
    stack: contextlib.AsyncExitStack
    nodes: list[FoundNode] = field(default_factory=list)

    async def node(self, *behaviours: Behaviour, model: str = MODEL, **report: Any) -> ScriptedNode:
        """Start a scripted node and tell the gateway of it; `state="ready"` unless told otherwise."""
        node = ScriptedNode(next(HOSTS), behaviours)
        server = await asyncio.start_server(node.serve, node.host, self.settings.node_port)
        self.stack.push_async_callback(node.stop)
        self.stack.callback(server.close)
        self.tell(node.instance_id, node.host, model=model, **report)
        return node

    def tell(self, instance_id: str, host: str, *, model: str = MODEL, **report: Any) -> None:
        if instance_id not in self.gateway.fleet.nodes:
            self.nodes.append(FoundNode(instance_id, host, "us-east-1a", "spot", model))
            self.gateway.fleet.found(self.nodes)
        ready = {"instance_id": instance_id, "model": model, "state": contract.STATE_READY, "version": "v1", "slots": 4}
        self.gateway.fleet.reported(instance_id, ready | {"error": None, "in_flight": 0} | report)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - the product has no event for it
                await asyncio.sleep(0.005)


@pytest.fixture
async def gate(request: pytest.FixtureRequest) -> AsyncIterator[GatewayInProcess]:
    """Indirect parameters are GatewaySettings' fields."""
    node_port = free_port(f"{PREFIX}.10")
    settings = GatewaySettings("test", "us-east-1", (MODEL, OTHER_MODEL), port=0, node_port=node_port)
    settings = replace(settings, **getattr(request, "param", {}))
    clock = asyncio.get_running_loop().time
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(upstream.session())
        gateway = service.assemble(settings, http, clock)
        server = await stack.enter_async_context(listening(gateway.app, settings))
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield GatewayInProcess(gateway, settings, url, server, stack)


@pytest.fixture
async def client(gate: GatewayInProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=gate.url, timeout=aiohttp.ClientTimeout(DEADLINE_SECONDS)) as session:
        yield session


@dataclass
class Fleet:
    """Real gateway and node processes; EC2 and S3 are moto's, nodes live on their instances' addresses."""

    ec2: Any
    store: ArtifactStore
    subnet: str
    environment: dict[str, str]
    folder: Path
    node_port: int
    processes: list["ServiceProcess"] = field(default_factory=list)

    def launch(self, *, model: str = MODEL, start: bool = True, **variables: str) -> "ServiceProcess":
        """One more instance, with its node process (the scripted engine) unless `start` is false."""
        host = next(HOSTS)
        name = self.environment[contract.VAR_ENVIRONMENT]
        tags = {contract.TAG_ROLE: contract.ROLE_NODE, contract.TAG_ENVIRONMENT: name, contract.TAG_MODEL: model}
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self.ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnet,
            PrivateIpAddress=host,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
        )
        instance_id = made["Instances"][0]["InstanceId"]
        command = [sys.executable, "-m", "inference_service.node"] if start else [sys.executable, "-c", "pass"]
        own = {
            contract.VAR_BIND_ADDRESS: host,
            contract.VAR_MODEL: model,
            contract.VAR_ENGINE: "stub",
            contract.VAR_DATA_DIR: str(self.folder / instance_id),
            contract.VAR_POINTER_POLL_SECONDS: "0.1",
        }
        return self.start(command, own | variables, f"http://{host}:{self.node_port}", instance_id)

    def gateway(self, *, until_ready: bool = True, **variables: str) -> "ServiceProcess":
        """A gateway process, alive; and with a warm node, unless `until_ready` is false."""
        port = free_port("127.0.0.1")
        own = {
            contract.VAR_MODELS: f"{MODEL},{OTHER_MODEL}",
            contract.VAR_GATEWAY_PORT: str(port),
            contract.VAR_DISCOVERY_POLL_SECONDS: "0.2",
            contract.VAR_READINESS_POLL_SECONDS: "0.1",
        }
        command = [sys.executable, "-m", "inference_service.gateway"]
        process = self.start(command, own | variables, f"http://127.0.0.1:{port}", "gateway")
        process.until(contract.PATH_READY if until_ready else contract.PATH_HEALTH)
        return process

    def warm_model(self, model: str = MODEL) -> str:
        """Publish and activate one version: nodes of it can become ready."""
        weights = self.folder / f"{model}.gguf"
        weights.write_bytes(b"GGUF" + model.encode() * 100)
        version = publish(self.store, model, [weights], progress=lambda _: None).version
        activate(self.store, model, version)
        return version

    def start(self, command: list[str], variables: dict[str, str], url: str, instance_id: str) -> "ServiceProcess":
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=self.environment | variables, stdout=output, stderr=subprocess.STDOUT
            )
        self.processes.append(ServiceProcess(process, url, log, instance_id))
        return self.processes[-1]


@dataclass(frozen=True)
class ServiceProcess:
    """A running gateway or node."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path
    instance_id: str

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urlopen(self.url + path, timeout=5) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def until(self, path: str, condition: Callable[[Any], bool] = lambda _: True, status: int = 200) -> Any:
        """The JSON at `path` once it comes with `status` and meets `condition`."""
        deadline, seen = time.monotonic() + DEADLINE_SECONDS, None
        while time.monotonic() < deadline:
            with contextlib.suppress(URLError, ConnectionError, TimeoutError):
                seen = self.get(path)
                if seen[0] == status and condition(seen[1]):
                    return seen[1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"{self.url}{path} answered {seen} last\n{self.log.read_text()}")

    def generated_tokens(self) -> int:
        with urlopen(self.url + contract.PATH_METRICS, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return int(
            next(float(line.split()[1]) for line in lines if line.startswith(contract.METRIC_NODE_TOKENS + "_t"))
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def lines_until(self, condition: Callable[[dict[str, Any]], Any], count: int = 1) -> list[dict[str, Any]]:
        """The lines that meet `condition`, once there are so many: a request's is written after its last byte."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if len(found := [line for line in self.lines() if condition(line)]) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"fewer than {count} such lines\n{self.log.read_text()}")

    def end(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fleet(moto_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet of the test's own."""
    with running_fleet(moto_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_fleet(moto_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet for tests that leave it as it is; see `shared_node`."""
    with running_fleet(moto_url, tmp_path_factory.mktemp("fleet")) as made:
        made.warm_model()
        yield made


@pytest.fixture(scope="module")
def shared_node(shared_fleet: Fleet) -> "ServiceProcess":
    """The node of `shared_fleet`: 50 tokens a second. Start no other there: some tests count its tokens."""
    return shared_fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.02", WARMFLEET_SLOTS="16")


@pytest.fixture(scope="module")
def shared_gateway(shared_fleet: Fleet, shared_node: "ServiceProcess") -> "ServiceProcess":
    return shared_fleet.gateway()


@contextlib.contextmanager
def running_fleet(moto_url: str, folder: Path) -> Iterator[Fleet]:
    session = boto3.Session(aws_access_key_id="made-up", aws_secret_access_key="made-up", region_name="us-east-1")
    ec2, s3 = (session.client(name, endpoint_url=moto_url) for name in ("ec2", "s3"))
    bucket = f"models-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=bucket)
    vpc = ec2.create_vpc(CidrBlock=f"{PREFIX}.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{PREFIX}.0/24")["Subnet"]["SubnetId"]
    node_port = free_port(f"{PREFIX}.10")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "WARMFLEET_NETWORK_GUARD_LOG")},
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        contract.VAR_ENVIRONMENT: f"test-{folder.name}",
        contract.VAR_REGION: "us-east-1",
        contract.VAR_BUCKET: bucket,
        contract.VAR_NODE_PORT: str(node_port),
    }
    made = Fleet(ec2, ArtifactStore(s3, bucket), subnet, environment, folder, node_port)
    try:
        yield made
    finally:
        for each in made.processes:
            each.end()
