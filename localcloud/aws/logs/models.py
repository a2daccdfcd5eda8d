"""moto's CloudWatch Logs backend, answered by our actions."""

from typing import Any

from moto.logs.models import LogsBackend

# mypy: disallow-subclassing-any=False


class LocalLogsBackend(LogsBackend):
    """CloudWatch Logs of one region."""

    @property
    def _url_module(self) -> Any:
        """Imported when the service is first asked for anything: a cloud without log groups starts without it."""
        from localcloud.aws.logs import urls

        return urls
