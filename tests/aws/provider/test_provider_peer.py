"""Only a CLI of this local cloud's backend is served, and only loopback is talked to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.provider.__main__ import serve
from localcloud.provider.clients import Clients
from localcloud.provider.endpoint import loopback
from localcloud.provider.errors import RefusedError
from localcloud.provider.peer import admit, backend_folder

SECONDS = 60
ENDPOINT = "http://127.0.0.1:1"
CLIENT = """
import sys, grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}"))
try:
    stub.Handshake(provider_pb2.ProviderHandshakeRequest(), timeout=10)
    print("admitted")
except grpc.RpcError as error:
    print(error.code().name, error.details())
"""


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    return tmp_path / ".warmfleet" / "pulumi"


@pytest.fixture
def port(backend: Path) -> Iterator[int]:
    server, port = serve(Clients(ENDPOINT), backend)
    yield port
    server.stop(grace=None).wait()


def ask(port: int, **environment: str) -> str:
    """What a process of its own with this environment is told."""
    command = [sys.executable, "-c", CLIENT, str(port)]
    environ = os.environ | environment
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


def test_a_process_with_this_backend_is_served(port: int, backend: Path) -> None:
    assert ask(port, PULUMI_BACKEND_URL=f"file://{backend}") == "admitted\n"


@pytest.mark.parametrize("url", ["", "https://api.pulumi.com", "s3://states", "file:///var/states", "file://~"])
def test_a_process_with_another_backend_is_refused_and_told_why(port: int, backend: Path, url: str) -> None:
    said = ask(port, **({"PULUMI_BACKEND_URL": url} if url else {}))
    assert said.startswith("PERMISSION_DENIED")
    assert (f"PULUMI_BACKEND_URL={url}" if url else "no PULUMI_BACKEND_URL") in said
    assert f"file://{backend}" in said
    assert "warmfleet env" in said


def connections(proc: Path, *lines: str) -> None:
    """The kernel's tables of connections."""
    (proc / "net").mkdir()
    (proc / "net" / "tcp").write_text("\n".join(["sl local_address", *lines]))
    (proc / "net" / "tcp6").write_text("sl local_address\n")


def test_a_peer_that_cannot_be_found_is_refused(backend: Path, tmp_path: Path) -> None:
    connections(tmp_path)
    for peer in ("ipv4:127.0.0.1:40000", "unix:/run/socket", "ipv6:[::1]:40000", ""):
        with pytest.raises(RefusedError, match="cannot tell who asks"):
            admit(peer, 1, backend, proc=tmp_path)


def test_files_that_a_busy_peer_closes_meanwhile_do_not_hide_it(backend: Path, tmp_path: Path) -> None:
    connections(tmp_path, "0: 0100007F:9C40 0100007F:0050 01 0:0 0:0 0 0 0 777")
    descriptors = tmp_path / "42" / "fd"
    descriptors.mkdir(parents=True)
    (tmp_path / "42" / "environ").write_bytes(f"PULUMI_BACKEND_URL=file://{backend}\0".encode())
    (descriptors / "3").symlink_to("socket:[777]")
    admit("ipv4:127.0.0.1:40000", 80, backend, proc=tmp_path)

    def closing(path: Path) -> str:
        if path.name == "3":
            return "socket:[777]"
        raise FileNotFoundError(path)

    for number in range(10):
        if number != 3:
            (descriptors / str(number)).symlink_to("gone")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "readlink", closing)
        admit("ipv4:127.0.0.1:40000", 80, backend, proc=tmp_path)


def test_every_holder_of_the_connection_must_have_this_backend(backend: Path, tmp_path: Path) -> None:
    connections(tmp_path, "0: 0100007F:9C40 0100007F:0050 01 0:0 0:0 0 0 0 777")
    for pid, url in ((42, f"file://{backend}"), (43, "s3://states")):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "3").symlink_to("socket:[777]")
        (tmp_path / str(pid) / "environ").write_bytes(f"PULUMI_BACKEND_URL={url}\0".encode())
    with pytest.raises(RefusedError, match="process 43, which has PULUMI_BACKEND_URL=s3://states"):
        admit("ipv4:127.0.0.1:40000", 80, backend, proc=tmp_path)


def test_a_backend_folder_outside_the_local_cloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"not below a \.warmfleet folder"):
        backend_folder(tmp_path / "states")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / ".warmfleet").mkdir()
    (tmp_path / ".warmfleet" / "pulumi").symlink_to(outside)
    with pytest.raises(RefusedError, match="not below"):
        backend_folder(tmp_path / ".warmfleet" / "pulumi")


@pytest.mark.parametrize(
    "url",
    ["", "https://127.0.0.1:1", "http://10.0.0.1:1", "http://localhost:1", "https://ec2.us-east-1.amazonaws.com"],
)
def test_an_endpoint_that_is_not_loopback_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="this machine only"):
        Clients(url)
    assert loopback("http://127.8.0.1:80") == "http://127.8.0.1:80"


def test_the_process_refuses_to_start_and_ends_with_whoever_started_it(tmp_path: Path, backend: Path) -> None:
    command = [sys.executable, "-m", "localcloud.provider", "--backend-dir", str(backend), "--endpoint"]
    run = subprocess.run(
        [*command, "http://192.0.2.1:80"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert run.returncode == 1
    assert "http://192.0.2.1:80" in run.stderr
    assert run.stdout == ""

    with subprocess.Popen([*command, ENDPOINT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith('{"port": ')
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def test_no_profile_and_no_variable_of_the_user_reaches_aws_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\naws_access_key_id = AKIAREAL\nendpoint_url = https://ec2.amazonaws.com\n[profile p]\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:1")
    client = Clients(ENDPOINT).client("ec2", "us-east-1")
    assert client.meta.endpoint_url == ENDPOINT
    assert client._request_signer._credentials.access_key == "local"
