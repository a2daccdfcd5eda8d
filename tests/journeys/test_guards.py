"""The guards of the journey can fail: each catches what it is there for."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from connection_watch import ConnectionWatch, is_loopback
from trap import Trap, poisoned, sprung

CONNECT = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"


def test_a_call_that_follows_the_poisoned_environment_is_caught(tmp_path: Path) -> None:
    with Trap() as trap:
        environ = poisoned({"PATH": "/usr/bin:/bin"}, tmp_path / "home", trap)
        call = "import boto3; boto3.client('sts').get_caller_identity()"
        done = subprocess.run([sys.executable, "-c", call], env=environ, capture_output=True, timeout=60, check=False)
        assert done.returncode != 0
        assert sprung(trap, tmp_path / "home")


def test_a_childs_connection_is_seen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ConnectionWatch(tmp_path) as watch:
        port = str(server.getsockname()[1])
        child = subprocess.Popen([sys.executable, "-c", CONNECT, port], stdin=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 30
            while "127.0.0.1" not in watch.local and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            child.communicate(timeout=10)
    assert "127.0.0.1" in watch.local
    assert watch.outside == set()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.77.1.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_stays_on_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "2001:db8::1"])
def test_every_other_address_leaves_it(address: str) -> None:
    assert not is_loopback(address)
