"""An internal gateway is reached by Session Manager: a real process forwards real connections, SSM is an HTTP stub."""

import asyncio
import datetime
import io
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cli_checkout import OUTPUTS, ROOT
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ssm_edge import SsmEdge

from localcloud.processes import identity
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.gateway_client import Answer, GatewayError, Question, ask
from scripts.gateway_route import Remote, in_service, remote, route
from scripts.progress import Steps
from scripts.pulumi_runs import Pulumi
from scripts.session_plugin import INSTALL_PAGE, PLUGIN, takes_variable
from scripts.stack_outputs import parse
from scripts.stack_target import StackTarget

HOST = "internal-gateway-1.us-east-1.elb.amazonaws.com"
STAND_IN = Path(__file__).parent / "stand_ins" / "session_manager_plugin.py"
STREAM = b'data: {"choices": [{"delta": {"content": "from inside"}}]}\n\ndata: [DONE]\n\n'


class World:
    """SSM, the plugin on a PATH of its own, and the gateway that its connections end at."""

    def __init__(self, folder: Path, edge: SsmEdge) -> None:
        self.folder, self.edge = folder, edge
        self.environ = {
            **os.environ,
            "PATH": str(folder),
            "AWS_ENDPOINT_URL": edge.url,
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
        }
        self.install("1.2.707.0", 9)

    def install(self, version: str, port: int, **behaviour: Any) -> None:
        plugin = self.folder / PLUGIN
        plugin.write_text(f"#!{sys.executable}\n" + STAND_IN.read_text())
        plugin.chmod(0o755)
        behaviour |= {"version": version, "to": ["127.0.0.1", port]}
        (self.folder / "plugin.json").write_text(json.dumps(behaviour))

    def given(self) -> Any:
        """What the plugin was started with."""
        return json.loads((self.folder / "given.json").read_text())

    def target(self, url: str = f"http://{HOST}:80") -> StackTarget:
        outputs = parse(OUTPUTS | {"gatewayUrl": url}, "dev")
        pulumi = Pulumi(Path("pulumi"), self.folder, self.environ)
        return StackTarget(self.folder, "dev", pulumi, outputs, Aws(self.environ, "us-east-1"), None)

    def ask(self, url: str = f"http://{HOST}:80") -> Answer:
        """One question through whatever way there is; nothing connects directly."""
        with route(self.target(url), Steps(io.StringIO()), lambda *_: False) as via:
            return ask(url, Question("tiny", "where are you?"), lambda _: None, via)

    def assert_nothing_is_left(self) -> None:
        assert identity(self.given()["pid"]) is None
        assert (self.folder / "ended").exists(), "the plugin was not told to end"
        assert self.edge.named("TerminateSession") == [{"SessionId": "me-0123"}]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with SsmEdge() as edge:
        yield World(tmp_path, edge)
        edge.shutdown()


@pytest.fixture
def gateway() -> Iterator[Callable[..., int]]:
    """Starts a gateway on loopback that answers, and notes the Host header; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runners: list[web.AppRunner] = []

    def start(hosts: list[str], tls: ssl.SSLContext | None = None) -> int:
        async def answer(request: web.Request) -> web.Response:
            hosts.append(request.headers["Host"])
            return web.Response(body=STREAM, content_type="text/event-stream")

        async def listen() -> int:
            app = web.Application()
            app.router.add_post("/v1/chat/completions", answer)
            runners.append(web.AppRunner(app))
            await runners[-1].setup()
            await web.TCPSite(runners[-1], "127.0.0.1", 0, ssl_context=tls).start()
            return int(runners[-1].addresses[0][1])

        return asyncio.run_coroutine_threadsafe(listen(), loop).result(10)

    yield start
    for runner in runners:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_the_answer_comes_through_an_instance_in_service_and_nothing_is_left_behind(
    world: World, gateway: Callable[..., int]
) -> None:
    hosts: list[str] = []
    world.edge.instances = {"i-new": "Pending:Wait", "i-old": "Terminating", "i-2": "InService"}
    world.install("1.2.707.0", gateway(hosts))
    assert world.ask().text == "from inside"
    assert hosts == [HOST], "the load balancer is asked for another name than its own"
    (asked,) = world.edge.named("StartSession")
    assert (asked["Target"], asked["DocumentName"]) == ("i-2", "AWS-StartPortForwardingSessionToRemoteHost")
    assert (asked["Parameters"]["host"], asked["Parameters"]["portNumber"]) == ([HOST], ["80"])
    world.assert_nothing_is_left()


@pytest.mark.parametrize(("version", "hidden"), [("1.2.707.0", True), ("1.2.497.0", False), ("odd", False)])
def test_the_plugin_is_started_as_awss_cli_starts_it(
    world: World, gateway: Callable[..., int], version: str, hidden: bool
) -> None:
    world.install(version, gateway([]))
    world.environ["AWS_PROFILE"] = "mine"
    (world.folder / "aws").write_text("[profile mine]\n")
    world.environ["AWS_CONFIG_FILE"] = str(world.folder / "aws")
    world.ask()
    given = world.given()
    assert (given["argument"] == "AWS_SSM_START_SESSION_RESPONSE") is hidden, "the session's token can be seen"
    assert given["session"] == {"SessionId": "me-0123", "TokenValue": "token", "StreamUrl": "wss://stream"}
    assert given["request"] == world.edge.named("StartSession")[0]
    assert (given["region"], given["operation"], given["profile"]) == ("us-east-1", "StartSession", "mine")
    assert given["url"] == world.edge.url


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.parametrize(("name", "trusted"), [(HOST, True), ("another.example.test", False)])
def test_the_certificate_must_be_for_the_gateways_own_name_and_that_name_is_asked_for(
    world: World, gateway: Callable[..., int], monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool
) -> None:
    """Both certificates are of a trusted authority and name 127.0.0.1, where the connection goes."""
    pem, key = certificate(world.folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    asked_for: list[str | None] = []
    context.sni_callback = lambda _socket, server_name, _context: asked_for.append(server_name)
    trust = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trust)
    hosts: list[str] = []
    world.install("1.2.707.0", gateway(hosts, context))
    url = f"https://{HOST}:443"
    if trusted:
        assert world.ask(url).text == "from inside"
    else:
        with pytest.raises(GatewayError, match=f"certificate of {url} is not trusted.*nothing was sent"):
            world.ask(url)
        assert hosts == []
    assert set(asked_for) == {HOST}
    world.assert_nothing_is_left()


def test_a_missing_plugin_is_one_sentence_with_the_page_that_installs_it(world: World) -> None:
    (world.folder / PLUGIN).unlink()
    with pytest.raises(CommandError, match=f"^[^\n]*{PLUGIN}[^\n]*{INSTALL_PAGE}[^\n]*allowed_cidrs$"):
        world.ask()
    assert world.edge.asked == []


def test_without_an_instance_in_service_the_status_is_pointed_to(world: World) -> None:
    world.edge.instances = {"i-1": "Pending:Wait"}
    with pytest.raises(CommandError, match=r"^no instance of gateways is InService.*`warmfleet status --stack dev`"):
        world.ask()


def test_a_refusal_of_session_manager_is_one_sentence_with_the_other_way_in(world: World) -> None:
    world.edge.refusals = {"i-1": "AccessDeniedException"}
    with pytest.raises(CommandError, match=r"^Session Manager refuses \(AccessDeniedException: [^\n]*allowed_cidrs$"):
        world.ask()
    assert world.edge.named("TerminateSession") == []


def test_an_instance_whose_agent_is_not_connected_is_passed_over(world: World, gateway: Callable[..., int]) -> None:
    world.install("1.2.707.0", gateway([]))
    world.edge.instances = {"i-1": "InService", "i-2": "InService"}
    world.edge.refusals = {"i-1": "TargetNotConnected"}
    assert world.ask().text == "from inside"


def test_a_plugin_that_fails_is_quoted_and_its_session_is_ended(world: World) -> None:
    world.install("1.2.707.0", 9, fails="Cannot perform start session: no such stream")
    with pytest.raises(CommandError, match="Cannot perform start session: no such stream"):
        world.ask()
    assert world.edge.named("TerminateSession") == [{"SessionId": "me-0123"}]


def test_a_failed_question_leaves_nothing_behind_either(world: World) -> None:
    with pytest.raises(GatewayError):
        world.ask()  # the far end refuses
    world.assert_nothing_is_left()


def test_ctrl_c_ends_plugin_and_session(world: World) -> None:
    """As a process of its own: it is interrupted while the block is open."""
    code = (
        "import io, sys\nfrom pathlib import Path\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}, {str(STAND_IN.parent)!r}]\n"
        "import os\nfrom test_cli_gateway_route import HOST, OUTPUTS, Aws, Pulumi, StackTarget, Steps, parse, route\n"
        "outputs = parse(OUTPUTS | {'gatewayUrl': f'http://{HOST}:80'}, 'dev')\n"
        "target = StackTarget(Path(), 'dev', Pulumi(Path(), Path(), os.environ), outputs, "
        "Aws(os.environ, 'us-east-1'), None)\n"
        "with route(target, Steps(io.StringIO()), lambda *_: False):\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, env=world.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "open\n", child.communicate()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
    assert child.returncode == -signal.SIGINT
    world.assert_nothing_is_left()


def test_a_gateway_that_can_be_connected_to_needs_no_session(world: World) -> None:
    asked: list[tuple[str, int]] = []

    def can_connect(host: str, port: int) -> bool:
        asked.append((host, port))
        return True

    with route(world.target(), Steps(io.StringIO()), can_connect) as via:
        assert via is None
    assert asked == [(HOST, 80)]
    assert world.edge.asked == []


def test_a_gateway_on_this_machine_is_never_looked_for_on_aws(world: World) -> None:
    with route(world.target("http://127.0.0.1:9"), Steps(io.StringIO()), lambda *_: False) as via:
        assert via is None


def test_the_port_of_a_url_is_its_schemes_where_none_is_given() -> None:
    assert remote("https://gw.example.test") == Remote("gw.example.test", 443)
    assert remote("http://gw.example.test:8080/x") == Remote("gw.example.test", 8080)
    assert Remote("127.3.1.1", 80).here
    assert not Remote("10.0.0.1", 80).here


def test_only_plugins_newer_than_the_last_without_it_take_the_variable() -> None:
    assert takes_variable("1.2.498.0\n")
    assert not takes_variable("1.2.497.0")
    assert not takes_variable("")


def test_instances_on_their_way_in_or_out_carry_no_session() -> None:
    instances = [{"InstanceId": f"i-{state}", "LifecycleState": state} for state in ("Pending", "InService", "Standby")]
    assert in_service([{"Instances": instances}]) == ["i-InService"]
