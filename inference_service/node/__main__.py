"""`python -m inference_service.node`: one inference node, configured by its environment."""

import os
import sys
from datetime import UTC, datetime

import structlog
import uvloop

from inference_service import logs
from inference_service.node.service import run
from inference_service.node.settings import SettingsError, read_settings

EXIT_FAILED = 1
EXIT_USAGE = 64


def main() -> int:
    started = datetime.now(UTC)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    logs.configure("node", environment=settings.environment)
    try:
        uvloop.run(run(settings, started))
    except OSError as error:
        where = f"{settings.bind_address}:{settings.port}, data in {settings.data_dir}"
        structlog.get_logger().error("the node cannot run", error=str(error), where=where)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
