"""What relays streams to a scripted node, each as a process of its own: the gateway, nginx, LiteLLM."""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
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
from tests.ports import free_port

HERE = Path(__file__).parent
HOST, SUBNET = "127.251.0.9", "127.251.0.0/24"  # above the range that local clouds take
LITELLM = HERE.parents[1] / "build" / "yardsticks" / "bin" / "litellm"  # `make build/yardsticks/ready`
LITELLM_VARIABLES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, and no other relay checks a key
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",  # the scripted node says one word
}
START_SECONDS = 60
KEYS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_EC2_METADATA_DISABLED": "true"}
NGINX_CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {upstreams}
  server {{ listen 127.0.0.1:{port}; {server} }}
}}
"""
NGINX_UPSTREAM = "upstream node {{ server {host}:{port}; keepalive 128; }}"
NGINX_RELAY = """
tcp_nodelay on;
location / {
  proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
}
"""


@dataclass(frozen=True)
class Relay:
    """Where it listens; `process` is None where its cost is not asked for."""

    host: str
    port: int
    process: psutil.Process | None

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far."""
        assert self.process
        times = [each.cpu_times() for each in (self.process, *self.process.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def resident_mib(self) -> float:
        assert self.process
        return float(self.process.memory_info().rss) / 2**20


@contextlib.contextmanager
def running(
    command: list[str], environment: dict[str, str], output: Any = None, errors: Any = None
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors, text=True)
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
def upstream(tokens: int, token_seconds: float) -> Iterator[int]:
    """The scripted node; its port at HOST."""
    command = [sys.executable, str(HERE / "sse_upstream.py"), HOST, str(tokens), str(token_seconds)]
    with running(command, dict(os.environ), subprocess.PIPE) as process:
        assert process.stdout
        yield int(process.stdout.readline())


def nginx() -> str | None:
    """Where nginx is, if it is installed: Debian keeps it out of a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def nginx_process(program: str, folder: Path, server: str, ready: str, upstreams: str = "") -> Iterator[Relay]:
    """nginx with these directives of its one server, once it answers the path `ready`; it writes to `folder` alone."""
    port, configuration = free_port(), folder / "nginx.conf"
    text = NGINX_CONFIGURATION.format(folder=folder, port=port, server=server, upstreams=upstreams)
    configuration.write_text(text)
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with running(command, dict(os.environ)) as process:
        until_answers(f"http://127.0.0.1:{port}{ready}")
        yield Relay("127.0.0.1", port, psutil.Process(process.pid))


def nginx_relay(program: str, folder: Path, node_port: int) -> contextlib.AbstractContextManager[Relay]:
    node = NGINX_UPSTREAM.format(host=HOST, port=node_port)
    return nginx_process(program, folder, NGINX_RELAY, contract.PATH_READY, node)


@contextlib.contextmanager
def litellm_relay(folder: Path, node_port: int) -> Iterator[Relay]:
    """As its documentation starts it, without a database: https://docs.litellm.ai/docs/proxy/quick_start"""
    port, configuration = free_port(), folder / "litellm.yaml"
    model = {"model": "openai/bench", "api_base": f"http://{HOST}:{node_port}/v1", "api_key": "none"}
    configuration.write_text(json.dumps({"model_list": [{"model_name": "bench", "litellm_params": model}]}))
    command = [str(LITELLM), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
    environment = dict(os.environ) | LITELLM_VARIABLES
    with running(command, environment, subprocess.DEVNULL, subprocess.DEVNULL) as process:
        until_answers(f"http://127.0.0.1:{port}/health/liveliness")
        yield Relay("127.0.0.1", port, psutil.Process(process.pid))


@contextlib.contextmanager
def gateway_relay(node_port: int) -> Iterator[Relay]:
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
            yield Relay("127.0.0.1", port, psutil.Process(process.pid))


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
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise SystemExit(f"{url} did not answer 200 within {START_SECONDS} s")
