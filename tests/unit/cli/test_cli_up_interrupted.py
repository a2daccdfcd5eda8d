"""Ctrl-C, SIGTERM and an unfit machine end `up` in order: one clear line, no process, nothing half-done."""

import re
import signal
import socket
import subprocess
import time

import pytest
from cli_checkout import Checkout

from localcloud.processes import identity


def waiting_up(checkout: Checkout) -> "subprocess.Popen[str]":
    """An `up` that is asking `pulumi` for its version, which takes for ever."""
    (checkout.bin / "pulumi").write_text(f"#!/bin/sh\necho $$ >{checkout.root}/pid\nexec sleep 60\n")
    child = subprocess.Popen(
        checkout.command("up"), cwd=checkout.root, env=checkout.environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not ((checkout.root / "pid").exists() and (checkout.root / "pid").read_text().strip()):
        assert time.monotonic() < deadline, child.communicate(timeout=5)
        time.sleep(0.02)
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_one_clear_line_and_no_process(checkout: Checkout, number: signal.Signals) -> None:
    child = waiting_up(checkout)
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "interrupted; the same command goes on from here"
    assert "Traceback" not in err
    pid = (checkout.root / "pid").read_text().strip()
    deadline = time.monotonic() + 10  # it has been killed; the kernel may still be at it
    while identity(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_second_up_beside_the_first_is_refused_at_once(checkout: Checkout) -> None:
    child = waiting_up(checkout)
    try:
        second = checkout.run("up")
        assert second.returncode == 1
        assert f"(process {child.pid}) works on" in second.stderr
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)


def test_an_occupied_gateway_port_is_refused_before_anything_is_made(checkout: Checkout) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        file = checkout.root / "Pulumi.local.yaml"
        file.write_text(re.sub(r"gateway_port: \d+", f"gateway_port: {port}", file.read_text()))
        done = checkout.run("up")
    assert done.returncode == 1
    assert f"gateway port: {port} cannot be used" in done.stderr
    assert "warmfleet:gateway_port in Pulumi.local.yaml" in done.stderr
    assert not (checkout.root / ".warmfleet").exists()
    assert checkout.calls() == []


def test_no_pulumi_and_no_go_is_one_clear_error_with_the_install_line(checkout: Checkout) -> None:
    (checkout.bin / "pulumi").unlink()
    done = checkout.run("up", PATH=str(checkout.bin), XDG_CACHE_HOME=str(checkout.root / "cache"))
    assert done.returncode == 1
    assert "get.pulumi.com" in done.stderr
    assert "Traceback" not in done.stderr
