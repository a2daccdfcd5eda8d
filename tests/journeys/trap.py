"""A place where nothing may ever arrive: what a poisoned environment points to."""

import socket
import stat
import threading
from collections.abc import Mapping
from pathlib import Path


class Trap(threading.Thread):
    """Accepts connections on loopback, notes the first line of each, and answers nothing."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.caught: list[str] = []

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def __enter__(self) -> "Trap":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.caught.append(connection.recv(200).decode(errors="replace").partition("\r\n")[0])
                except OSError as error:
                    self.caught.append(repr(error))


def poisoned(base: Mapping[str, str], home: Path, trap: Trap) -> dict[str, str]:
    """`base` with every way into an AWS account that a developer's shell may hold; all of them lead into the trap."""
    (home / ".aws").mkdir(parents=True)
    ran = home / "credential_process_ran"
    command = home / "credentials.sh"
    command.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (home / ".aws" / "config").write_text(
        f"[default]\nregion = eu-central-1\nendpoint_url = {trap.url}\n"
        f"[profile poisoned]\nregion = eu-central-1\nendpoint_url = {trap.url}\ncredential_process = {command}\n"
    )
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = POISON\naws_secret_access_key = POISON\n"
    )
    proxies = dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"], trap.url)
    return {
        **base,
        **proxies,
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "POISON",
        "AWS_SECRET_ACCESS_KEY": "POISON",
        "AWS_SESSION_TOKEN": "POISON",
        "AWS_PROFILE": "poisoned",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": trap.url,
        "AWS_ENDPOINT_URL_S3": trap.url,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap.url,
        "PULUMI_BACKEND_URL": trap.url,
        "PULUMI_ACCESS_TOKEN": "POISON",
    }


def sprung(trap: Trap, home: Path) -> list[str]:
    """What was caught."""
    process = ["the credential_process of a profile ran"] if (home / "credential_process_ran").exists() else []
    return [*trap.caught, *process]
