"""`python -m localcloud.provider`: the stand-in `aws` provider as a process of the local cloud."""

import argparse
import functools
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import structlog
from pulumi.runtime.proto import provider_pb2_grpc

from inference_service import logs
from localcloud.environment import without_outside
from localcloud.provider import sdk_classes
from localcloud.provider.clients import Clients
from localcloud.provider.configuration import DEFAULT_REGION
from localcloud.provider.errors import RefusedError
from localcloud.provider.peer import admit, backend_folder
from localcloud.provider.registry import handlers
from localcloud.provider.sdk_shapes import arguments
from localcloud.provider.service import Service
from localcloud.provider.session import Sessions

WORKERS = 16  # as many resources as Pulumi works on at a time
LARGEST_MESSAGE = 400 * 1024 * 1024  # bytes; the engine's own limit
SERVICES = ("ec2", "s3", "iam", "autoscaling", "elbv2", "sts", "ssm")


def serve(clients: Clients, backend: Path) -> tuple[grpc.Server, int]:
    """Listen on a free port of this machine; returns the running server and the port."""
    port = 0  # known only below, before the first peer can ask

    def check(peer: str) -> None:
        admit(peer, port, backend)

    options = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.max_send_message_length", LARGEST_MESSAGE),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(clients, Sessions(check)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def warm_up(clients: Clients) -> None:
    """Load what the first preview needs: a second of its time otherwise."""
    for service in SERVICES:
        clients.client(service, DEFAULT_REGION)
    for token in handlers():
        arguments(token)


def main() -> int:
    parser = argparse.ArgumentParser(prog="localcloud.provider", description="Serves Pulumi's aws provider locally.")
    parser.add_argument("--endpoint", required=True, help="the local AWS: http://127.…")
    parser.add_argument("--backend-dir", type=Path, required=True, help="the only Pulumi backend that is served")
    given = parser.parse_args()
    logs.configure("provider", stream=sys.stderr)
    environment = without_outside(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        clients, backend = Clients(given.endpoint), backend_folder(given.backend_dir)
    except RefusedError as error:
        structlog.get_logger().error("the provider cannot start", error=str(error))
        return 1
    sdk_classes.import_sparingly()
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server, port = serve(clients, backend)
    print(json.dumps({"port": port}), flush=True)
    threading.Thread(target=functools.partial(warm_up, clients), daemon=True).start()
    threading.Thread(target=_end_with_stdin, args=(ending,), daemon=True).start()
    ending.wait()
    server.stop(grace=None).wait()
    return 0


def _end_with_stdin(ending: threading.Event) -> None:
    # Not through sys.stdin: Python cannot end while a thread reads there.
    while os.read(0, 4096):
        pass
    ending.set()


if __name__ == "__main__":
    sys.exit(main())
