"""boto3 clients that reach this machine only, whatever the environment and the user's AWS files say."""

import os
import threading
from typing import Any

import boto3
import botocore.config
import botocore.session

from localcloud.provider.endpoint import loopback

# What botocore would read from the environment or from ~/.aws: nothing.
_NO_VARIABLE = (None, None, None, None)
_SESSION_VARIABLES = {
    "profile": _NO_VARIABLE,
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ca_bundle": _NO_VARIABLE,
}
_CONNECTIONS = 32


class Clients:
    """One client per service and region, made when first used; safe to use from many threads."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = loopback(endpoint_url)
        self._session = boto3.Session(botocore_session=botocore.session.Session(session_vars=_SESSION_VARIABLES))
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str) -> Any:
        """The boto3 client of a service, with made-up keys."""
        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = self._make(service, region)
            return self._made[service, region]

    def _make(self, service: str, region: str) -> Any:
        config = botocore.config.Config(
            proxies={},
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path"},
        )
        make: Any = self._session.client
        return make(
            service,
            region_name=region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=config,
        )
