"""`pulumi-language-python [FLAGS] ENGINE_ADDRESS`: started by the Pulumi CLI, prints its port, ends with the CLI."""

import importlib.util
import os
import signal
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from localcloud.errors import LocalCloudError
from localcloud.language_host.children import Children
from localcloud.language_host.guard import admit

WORKERS = 16
LARGEST_MESSAGE = 400 * 1024 * 1024  # bytes; the engine's own limit


def import_stubs_alone() -> None:
    """Let imports below `pulumi.runtime.proto` skip the SDK itself: half of this process's start."""
    spec = importlib.util.find_spec("pulumi")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pulumi", "pulumi.runtime"):
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]


def serve(engine: str, children: Children) -> tuple[grpc.Server, int]:
    """Listen on a free port of this machine; returns the server, which ends when it is let go, and the port."""
    from pulumi.runtime.proto import language_pb2_grpc

    from localcloud.language_host.service import Service

    options = [("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.max_send_message_length", LARGEST_MESSAGE)]
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Service(engine, dict(os.environ), children), server)
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> int:
    try:
        admit(os.environ)
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    children = Children()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: children.end_everything())
    import_stubs_alone()
    _server, port = serve(sys.argv[-1], children)
    print(port, flush=True)
    # The CLI holds the other end of standard input: its end means that the CLI is gone, however it went.
    threading.Thread(target=_end_with_stdin, args=(children,), daemon=True).start()
    while True:
        signal.pause()


def _end_with_stdin(children: Children) -> None:
    while os.read(0, 4096):
        pass
    children.end_everything()


if __name__ == "__main__":
    sys.exit(main())
