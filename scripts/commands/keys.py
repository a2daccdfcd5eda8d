"""`warmfleet keys`: create, list, rotate, revoke API keys."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from inference_service.api_keys import ApiKey
    from inference_service.secret_document import SecretDocument

app = typer.Typer(help="API keys: create, list, rotate, revoke.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; stands in the gateway's logs.")]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DAY = "24h"


@app.command()
def create(
    name: Name,
    per_minute: Annotated[int | None, typer.Option(help="Requests that may begin in a minute.")] = None,
    at_once: Annotated[int | None, typer.Option(help="Requests that may run at the same time.")] = None,
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Make a key and show it, this once: only its hash is kept. Gateways know it within seconds.

    Example: warmfleet keys create search --per-minute 600
    """
    from inference_service import api_keys

    text = _change(
        stack, lambda keys: api_keys.created(keys, name, time.time(), per_minute=per_minute, at_once=at_once)
    )
    _show(name, text, as_json)


@app.command("list")
def list_keys(stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """List every key that lives, without its secret.

    Example: warmfleet keys list
    """
    from inference_service import api_keys
    from scripts import terminal
    from scripts.aws_session import explained

    with explained():
        keys = api_keys.pruned(_parsed(_open(stack).read()), time.time())
    if as_json:
        terminal.print_json({"keys": [_described(key) for key in keys]})
        return
    rows = [[str(value if value is not None else "-") for value in _described(key).values()] for key in keys]
    terminal.out().print(terminal.table("name", "id", "created", "ends", "a minute", "at once", rows=rows))


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[str, typer.Option(help="How long the old secret stays good: 90s, 15m, 24h, 7d or 0.")] = DAY,
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Give a key a new secret, shown this once. The old one ends after the overlap; limits stay, and count for both.

    Example: warmfleet keys rotate search --overlap 24h
    """
    from inference_service import api_keys

    seconds = _seconds(overlap)
    _show(name, _change(stack, lambda keys: api_keys.rotated(keys, name, time.time(), seconds)), as_json)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME|ID", help="A key, or one of its secrets by its id.")],
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """End a key: gateways refuse it within seconds. Answers that have begun are finished.

    Example: warmfleet keys revoke search
    """
    from inference_service import api_keys
    from scripts import terminal

    _change(stack, lambda keys: ("", api_keys.revoked(keys, name, time.time())))
    if as_json:
        terminal.print_json({"revoked": name})
    else:
        terminal.say(f"{name} is revoked; gateways refuse it within seconds")


def _change(stack: str, change: "Callable[[Sequence[ApiKey]], tuple[str, Sequence[ApiKey]]]") -> str:
    """Change the document; returns the new key in clear.

    Raises:
        CommandError: with the reason and the remedy.
    """
    from inference_service import api_keys
    from inference_service.secret_document import SecretConflictError
    from scripts.aws_session import explained
    from scripts.exit_codes import USAGE, CommandError

    text = ""

    def make(before: str) -> str:
        nonlocal text
        text, after = change(_parsed(before))
        return api_keys.to_json(after)

    try:
        with explained():
            _open(stack).change(make)
    except api_keys.ApiKeysError as error:
        raise CommandError(str(error), USAGE) from error
    except SecretConflictError as error:
        raise CommandError(str(error)) from error
    return text


def _open(stack: str) -> "SecretDocument":
    from inference_service.secret_document import SecretDocument, key_of
    from scripts.exit_codes import CommandError
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    if target.outputs.api_keys_parameter is None:
        raise CommandError(f"stack {stack} has no place for API keys: it was built before; run `pulumi up` for it")
    ssm, name = target.aws.client("ssm"), target.outputs.api_keys_parameter
    return SecretDocument(ssm, name, key_of(ssm, name))


def _parsed(text: str) -> "tuple[ApiKey, ...]":
    from inference_service import api_keys
    from scripts.exit_codes import CommandError

    try:
        return api_keys.parse(text)
    except api_keys.ApiKeysError as error:
        raise CommandError(f"{error}; an earlier version of the parameter can be put back: docs/keys.md") from error


def _show(name: str, text: str, as_json: bool) -> None:
    from scripts import terminal

    if as_json:
        terminal.print_json({"name": name, "key": text})
    else:
        terminal.say(f"{text}\nkey {name}, shown this once; send it as `Authorization: Bearer KEY`")


def _described(key: "ApiKey") -> dict[str, Any]:
    limits = {"per_minute": key.per_minute, "at_once": key.at_once}
    return {"name": key.name, "id": key.id, "created": _time(key.created), "expires": _time(key.expires), **limits}


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    """Raises CommandError."""
    from scripts.exit_codes import USAGE, CommandError

    if text == "0":
        return 0.0
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return float(int(match[1]) * UNITS[match[2]])
    raise CommandError(f"--overlap is {text!r}; a time is needed, such as 90s, 15m, 24h, 7d, or 0", USAGE)
