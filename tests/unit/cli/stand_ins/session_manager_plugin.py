"""A stand-in for AWS's session-manager-plugin: takes its arguments, and forwards TCP without AWS.

Run with --version it names one. `plugin.json` beside it says where the remote host really is and how it behaves; what
it was given, it writes there too.
"""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

HERE = Path(sys.argv[0]).resolve().parent


def main() -> None:
    behaviour = json.loads((HERE / "plugin.json").read_text())
    if sys.argv[1:] == ["--version"]:
        print(behaviour["version"])
        return
    response, region, operation, profile, request, url = sys.argv[1:]
    given = {"argument": response, "region": region, "operation": operation, "profile": profile, "url": url}
    given["session"] = json.loads(os.environ.get(response, response))
    given["request"] = json.loads(request)
    given["pid"] = os.getpid()
    (HERE / "given.json").write_text(json.dumps(given))
    if behaviour.get("fails"):
        print(behaviour["fails"])
        sys.exit(1)
    signal.signal(signal.SIGTERM, leave)
    forward(given["session"]["SessionId"], int(given["request"]["Parameters"]["localPortNumber"][0]), behaviour["to"])


def forward(session_id: str, port: int, target: tuple[str, int]) -> None:
    with socket.create_server((os.environ["SSM_PLUGIN_LOCAL_HOST"], port)) as listener:
        print(f"\nStarting session with SessionId: {session_id}", flush=True)
        print(f"Port {port} opened for sessionId {session_id}.\nWaiting for connections...", flush=True)
        while True:
            near = listener.accept()[0]
            try:
                far = socket.create_connection(tuple(target))
            except OSError:
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def leave(_number: int, _frame: FrameType | None) -> None:
    (HERE / "ended").write_text("in order")
    os._exit(0)


if __name__ == "__main__":
    main()
