"""`warmfleet load`: clients that ask a running stack by a profile, and what became of each request."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.gateway_client import Address
    from scripts.load.run import Load, Wanted
    from scripts.stack_target import StackTarget

MOST_CLIENTS, MOST_RATE = 1000, 200.0


def load(
    clients: Annotated[
        str | None, typer.Option(metavar="N:SECONDS,…", help="So many clients, one request after another.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="R:SECONDS,…", help="So many requests a second, whatever the answers do.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the stack's first model.")] = None,
    stack: StackOption = LOCAL_STACK,
    most_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 64,
    as_json: JsonFlag = False,
) -> None:
    """Ask a stack by a profile of clients or of requests a second, and count what was answered and what was lost.

    While 429 or 503 refuses a request it is tried again for 90 s, with one Idempotency-Key; it is lost when it
    was taken and never answered. Exit 1 if one was lost or cut. Ctrl-C ends the load and tells what was counted.

    Example: warmfleet load --clients 0:60,10:180,0:120
    """
    from scripts import gateway_client
    from scripts.client_key import given_key
    from scripts.exit_codes import USAGE, CommandError
    from scripts.gateway_route import route
    from scripts.progress import Steps
    from scripts.stack_target import open_stack

    wanted = _wanted(clients, rate)
    target = open_stack(stack)
    steps, key, url = Steps(sys.stderr), given_key(target), target.outputs.gateway_url
    with route(target, steps) as via:
        if not gateway_client.accepts(url, key, via):
            raise CommandError(f"{url} does not take this API key; give a valid one in WARMFLEET_API_KEY", USAGE)
        run, interrupted = _run(target, target.outputs.fleet(model).model, wanted, most_tokens, via, steps)
    _tell(run, as_json, interrupted)


def _wanted(clients: str | None, rate: str | None) -> "Wanted":
    from scripts.exit_codes import USAGE, CommandError
    from scripts.load.profile import parsed
    from scripts.load.run import Wanted

    if clients and rate:
        raise CommandError("--clients and --rate are both given; give one of them", USAGE)
    if clients:
        return Wanted(clients=parsed("--clients", clients, MOST_CLIENTS, whole=True))
    if rate:
        return Wanted(rate=parsed("--rate", rate, MOST_RATE, whole=False))
    raise CommandError("nothing is asked for; give --clients or --rate, as in: warmfleet load --clients 10:60", USAGE)


def _run(
    target: "StackTarget", model: str, wanted: "Wanted", most_tokens: int, via: "Address | None", steps: Any
) -> "tuple[Load, bool]":
    """The load, and whether a person ended it."""
    import time

    from scripts.chaos.client import Asking
    from scripts.client_key import given_key
    from scripts.gateway_client import authorization, session
    from scripts.load.run import Load

    url = target.outputs.gateway_url
    made: list[Load] = []

    async def work(say: Any) -> None:
        async with session(url, None, via, authorization(given_key(target))) as http:
            asking = Asking(
                http, model, lambda: [url], lambda _: False, time.monotonic, {"max_completion_tokens": most_tokens}
            )
            made.append(Load(asking, wanted, say))
            await made[0].run()

    interrupted = False
    with steps.step("load") as step:
        try:
            asyncio.run(work(step.say))
        except KeyboardInterrupt:
            if not made:
                raise
            interrupted = True
        step.result = made[0].tally.in_short()
    return made[0], interrupted


def _tell(run: "Load", as_json: bool, interrupted: bool) -> None:
    from scripts import terminal
    from scripts.exit_codes import FAILED, INTERRUPTED, CommandError

    tally = run.tally
    if as_json:
        terminal.print_json({"seconds": round(run.seconds, 1), "interrupted": interrupted, **tally.as_document()})
    else:
        for line in in_words(tally.as_document()):
            terminal.say(line)
    if problems := tally.problems():
        raise CommandError(
            "the stack did not keep its promises:\n" + "\n".join(f"  {each}" for each in problems), FAILED
        )
    if interrupted:
        sys.exit(INTERRUPTED)  # not by Typer's Exit, after which is said that the same command goes on


def in_words(document: dict[str, Any]) -> list[str]:
    """The counts, a line each, and how long answers took to begin."""
    names = ("asked", "answered", "refused", "lost", "cut", "reconnects", "abandoned")
    lines = [f"{name:<12}{document[name]}" for name in names if document[name] or name in ("asked", "answered", "lost")]
    waits = document["first_token_seconds"]
    if waits["p50"] is not None:
        lines.append("first token " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in waits.items()))
    return lines
