"""AWS clients made from a given environment, not from whatever this process was started with."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.exit_codes import CommandError

CONNECT_SECONDS = 5
READ_SECONDS = 60


class Aws:
    """Makes clients for one region; credentials, endpoint and profile come from `environ` alone."""

    def __init__(self, environ: Mapping[str, str], region: str) -> None:
        self._environ = dict(environ)
        self._region = region
        self._clients: dict[str, Any] = {}
        self._session: Any = None  # its client() is typed for literal names only

    def client(self, service: str) -> Any:
        """A client of `service`, the same one every time."""
        if service not in self._clients:
            from boto3 import Session
            from botocore.config import Config

            config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"mode": "standard"})
            with _only(self._environ):
                self._session = self._session or Session(region_name=self._region)
                self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns what AWS refuses, or a way to AWS that does not exist, into one line.

    Raises:
        CommandError: instead of botocore's errors.
    """
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        raise CommandError("no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`") from error
    except EndpointConnectionError as error:
        raise CommandError(f"AWS does not answer: {error}; check the network, locally `warmfleet logs aws`") from error
    except (ClientError, BotoCoreError) as error:
        raise CommandError(f"AWS refused: {error}") from error


@contextlib.contextmanager
def _only(environ: Mapping[str, str]) -> Iterator[None]:
    """botocore reads os.environ while a client is made, and not after."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environ)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
