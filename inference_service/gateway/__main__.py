"""`python -m inference_service.gateway`: one gateway, configured by its environment."""

import gc
import os
import resource
import sys

import structlog
import uvloop

from inference_service import logs
from inference_service.gateway.discovery import Registry
from inference_service.gateway.service import aws_client, run
from inference_service.gateway.settings import SettingsError, read_settings

EXIT_FAILED = 1
EXIT_USAGE = 64


def main() -> int:
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    logs.configure("gateway", environment=settings.environment)
    _allow_connections()
    registry = Registry(lambda: aws_client("ec2", settings.region), settings.environment)
    # What is loaded by now lives as long as the process: without this each full collection walks the AWS SDK again,
    # and every stream waits for it.
    gc.collect()
    gc.freeze()
    try:
        uvloop.run(run(settings, registry))
    except OSError as error:
        where = f"{settings.bind_address}:{settings.port}"
        structlog.get_logger().error("the gateway cannot run", error=str(error), where=where)
        return EXIT_FAILED
    return 0


def _allow_connections() -> None:
    """Two sockets a stream: the usual soft limit of 1,024 files would end at 500 streams."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
