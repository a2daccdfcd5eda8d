"""`python -m localcloud.aws`: serves AWS until SIGTERM, or until whoever started it closes standard input."""

import argparse
import json
import os
import signal
import sys
import threading
from ipaddress import IPv4Network
from pathlib import Path

import structlog

from inference_service import logs
from localcloud.aws.clock import Clock
from localcloud.aws.cloud import Cloud


def main() -> int:
    """Print {"url": …} when it listens; returns 0 after an orderly end."""
    parser = argparse.ArgumentParser(prog="localcloud.aws", description="Serves AWS on loopback, in memory.")
    parser.add_argument("--prefix", required=True, help="the /16 to live on, such as 127.16")
    parser.add_argument("--time-scale", type=float, default=1.0, help="cloud seconds per real second")
    parser.add_argument("--run-id", default="local")
    parser.add_argument("--hosts", type=IPv4Network, help="the network of instances that are hosts")
    parser.add_argument("--consoles", type=Path, help="has a folder per instance with what it says, stdout.log")
    given = parser.parse_args()
    logs.configure("local-aws", stream=sys.stderr)  # stdout has one line only: where it listens
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    threading.Thread(target=_wait_for_end_of_input, args=(ending,), daemon=True).start()
    cloud = Cloud(given.prefix, Clock(given.time_scale), given.run_id, given.hosts, given.consoles)
    _serve(cloud, ending)
    return 0


def _serve(cloud: Cloud, ending: threading.Event) -> None:
    # Imported late: moto reads the environment when it is imported, and the import takes seconds.
    from localcloud.aws import ticking
    from localcloud.aws.defects import attempt
    from localcloud.aws.functions import Functions
    from localcloud.aws.installation import installed
    from localcloud.aws.server import Server
    from localcloud.aws.ticker import Ticker

    with installed(cloud):
        server = Server(f"{cloud.prefix}.0.1")
        functions = Functions(server.url)

        def tick() -> None:
            ticking.tick(cloud)
            attempt("Lambda", lambda: functions.tick(cloud))

        ticker = Ticker(tick)
        server.start()
        ticker.start()
        print(json.dumps({"url": server.url}), flush=True)
        structlog.get_logger().info("the local AWS listens", url=server.url, run_id=cloud.run_id)
        ending.wait()
        cloud.events.close()
        ticker.stop()
        functions.stop()
        server.stop()


def _wait_for_end_of_input(ending: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ending.set()


if __name__ == "__main__":
    sys.exit(main())
