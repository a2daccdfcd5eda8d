"""CPU per streamed token: the gateway beside nginx, in the same run. `python tests/benchmarks/bench_gateway.py`.

64 streams at 100 tokens a second each, in rounds that take turns: machines drift, ratios within a round do not. nginx
relays with buffering off and parses nothing; the gateway also cuts the node's extension off each event. Bound: 3.0
times nginx. Prints one table; ends with 0, with 1 above the bound, with 0 and a reason where nginx is not installed.
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from moto.server import ThreadedMotoServer

from inference_service import contract

HERE = Path(__file__).parent
HOST, SUBNET = "127.251.0.9", "127.251.0.0/24"  # above the range that local clouds take
STREAMS, TOKEN_SECONDS = 64, 0.01
MOST_TIMES_NGINX = 3.0
KEYS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_EC2_METADATA_DISABLED": "true"}
NGINX_CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream node {{ server {host}:{node_port}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port}; tcp_nodelay on;
    location / {{
      proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Round:
    """What one round of one relay cost."""

    microseconds: float  # of CPU, per token
    first_median_seconds: float
    first_worst_seconds: float


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--seconds", type=float, default=4.0, help="length of one round")
    given = options.parse_args()
    if not (nginx := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")):
        print("gateway benchmark skipped: nginx, its yardstick, is not installed (apt-get install nginx-light)")
        return 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmfleet-bench-")))
        tokens = int(given.seconds / TOKEN_SECONDS)
        node_port = stack.enter_context(upstream(tokens))
        relays = {
            "nginx": stack.enter_context(nginx_relay(nginx, folder, node_port)),
            "gateway": stack.enter_context(gateway_relay(node_port)),
        }
        for port, _ in relays.values():
            measure(port, None, tokens)  # connections, caches and lazy imports are nobody's cost per token
        rounds: dict[str, list[Round]] = {name: [] for name in relays}
        for _ in range(given.rounds):
            for name, (port, process) in relays.items():
                rounds[name].append(measure(port, process, tokens))
    return report(rounds)


def measure(port: int, process: psutil.Process | None, tokens: int) -> Round:
    before = cpu_seconds(process) if process else 0.0
    command = [sys.executable, str(HERE / "sse_clients.py"), "127.0.0.1", str(port), str(STREAMS)]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    spent = cpu_seconds(process) - before if process else 0.0
    expected = {"events": STREAMS * tokens, "complete": STREAMS}
    if {name: seen[name] for name in expected} != expected:
        raise SystemExit(f"the relay on port {port} lost events: {seen}, expected {expected}")
    return Round(1e6 * spent / seen["events"], seen["first_median_seconds"], seen["first_worst_seconds"])


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its children."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def report(rounds: dict[str, list[Round]]) -> int:
    print(f"{STREAMS} streams, {1 / TOKEN_SECONDS:.0f} tokens a second each, {len(rounds['nginx'])} rounds in turns")
    print(f"{'':10}{'CPU us/token':>24}{'first event ms':>24}")
    print(f"{'':10}{'least':>12}{'median':>12}{'median':>12}{'worst':>12}")
    for name, each in rounds.items():
        costs = [one.microseconds for one in each]
        firsts = 1e3 * statistics.median(one.first_median_seconds for one in each)
        worst = 1e3 * max(one.first_worst_seconds for one in each)
        print(f"{name:10}{min(costs):12.1f}{statistics.median(costs):12.1f}{firsts:12.1f}{worst:12.1f}")
    pairs = zip(rounds["gateway"], rounds["nginx"], strict=True)
    ratio = statistics.median(ours.microseconds / theirs.microseconds for ours, theirs in pairs)
    print(f"gateway / nginx, median of the rounds: {ratio:.2f} (at most {MOST_TIMES_NGINX})")
    return 0 if ratio <= MOST_TIMES_NGINX else 1


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], output: Any = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, env=environment, stdout=output, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextlib.contextmanager
def upstream(tokens: int) -> Iterator[int]:
    command = [sys.executable, str(HERE / "sse_upstream.py"), HOST, str(tokens), str(TOKEN_SECONDS)]
    with running(command, dict(os.environ), subprocess.PIPE) as process:
        assert process.stdout
        yield int(process.stdout.readline())


@contextlib.contextmanager
def nginx_relay(nginx: str, folder: Path, node_port: int) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, host=HOST, node_port=node_port, port=port))
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with running(command, dict(os.environ)) as process:
        until_answers(f"http://127.0.0.1:{port}{contract.PATH_READY}")
        yield port, psutil.Process(process.pid)


@contextlib.contextmanager
def gateway_relay(node_port: int) -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    with registry_with_one_node() as endpoint:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WARMFLEET_"))}
        environment |= KEYS | {
            "AWS_ENDPOINT_URL": endpoint,
            contract.VAR_ENVIRONMENT: "bench",
            contract.VAR_REGION: "us-east-1",
            contract.VAR_MODELS: "bench",
            contract.VAR_GATEWAY_PORT: str(port),
            contract.VAR_NODE_PORT: str(node_port),
            contract.VAR_DISCOVERY_POLL_SECONDS: "60",
        }
        command = [sys.executable, "-m", "inference_service.gateway"]
        with running(command, environment, subprocess.DEVNULL) as process:
            until_answers(f"http://127.0.0.1:{port}{contract.PATH_READY}")
            yield port, psutil.Process(process.pid)


@contextlib.contextmanager
def registry_with_one_node() -> Iterator[str]:
    """EC2 as the gateway reads it: moto, with one running instance at the upstream's address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    session = boto3.Session(aws_access_key_id="made-up", aws_secret_access_key="made-up", region_name="us-east-1")
    ec2 = session.client("ec2", endpoint_url=endpoint)
    vpc = ec2.create_vpc(CidrBlock=SUBNET)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=SUBNET)["Subnet"]["SubnetId"]
    tags = {contract.TAG_ROLE: contract.ROLE_NODE, contract.TAG_ENVIRONMENT: "bench", contract.TAG_MODEL: "bench"}
    ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        PrivateIpAddress=HOST,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    )
    try:
        yield endpoint
    finally:
        server.stop()


def until_answers(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise SystemExit(f"{url} did not answer 200 within 30 s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
