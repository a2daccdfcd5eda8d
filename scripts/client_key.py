"""The API key that commands ask with: the user's own, or on the local stack the one that `up` made."""

import os
import time
from collections.abc import Callable, Mapping

from localcloud.places import Places
from scripts import gateway_client
from scripts.aws_session import explained
from scripts.exit_codes import CommandError
from scripts.gateway_client import GatewayError
from scripts.stack_target import StackTarget

VARIABLE = "WARMFLEET_API_KEY"
KEY_NAME = "local"
ACCEPTED_SECONDS = 30.0
PAUSE_SECONDS = 0.2


def given_key(target: StackTarget, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key to send; None where nobody gave one."""
    if key := environ.get(VARIABLE):
        return key
    path = Places.of(target.root).api_key
    return path.read_text().strip() if target.cloud and path.exists() else None


def ensure_key(target: StackTarget, environ: Mapping[str, str]) -> tuple[str, bool]:
    """A key that the local stack accepts, and whether it had to be made. It stays in a file of this checkout.

    Raises:
        CommandError: the keys cannot be read or written.
    """
    from inference_service import api_keys
    from inference_service.secret_document import SecretConflictError, SecretDocument

    path, parameter = Places.of(target.root).api_key, target.outputs.api_keys_parameter
    if parameter is None:
        raise CommandError("the stack has no place for API keys; run `make down`, then `make up`")
    stored, made = SecretDocument(target.aws.client("ssm"), parameter), ""

    def add(text: str) -> str:
        nonlocal made
        keys = [key for key in api_keys.parse(text) if key.name != KEY_NAME]  # a secret that is lost opens nothing
        made, after = api_keys.created(keys, KEY_NAME, time.time())
        return api_keys.to_json(after)

    try:
        with explained():
            known = given_key(target, environ)
            if known and api_keys.found(api_keys.parse(stored.read()), known, time.time()):
                return known, False
            stored.change(add)
    except (api_keys.ApiKeysError, SecretConflictError) as error:
        raise CommandError(f"no API key could be made: {error}") from error
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made + "\n")
    return made, True


def wait_until_accepted(
    url: str,
    key: str,
    accepts: Callable[[str, str], bool] = gateway_client.accepts,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the gateway knows a key that has just been made: it looks every few seconds.

    Raises:
        GatewayError: it does not.
    """
    until = clock() + ACCEPTED_SECONDS
    while not accepts(url, key):
        if clock() > until:
            raise GatewayError(f"{url} refuses the API key that was made {ACCEPTED_SECONDS:g} s ago; `warmfleet logs`")
        sleep(PAUSE_SECONDS)
