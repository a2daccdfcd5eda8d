"""`warmfleet ask`: one question, answered token by token."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the stack's first model.")] = None,
    stack: StackOption = LOCAL_STACK,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds that the answer may take to begin.")] = 60.0,
    most_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 256,
    as_json: JsonFlag = False,
) -> None:
    """Ask a model through the gateway. While no node is warm, this waits up to --timeout seconds.

    The API key is WARMFLEET_API_KEY's, for the local stack otherwise the one that `up` made. A gateway on AWS is
    internal: where it cannot be connected to, a Session Manager session leads to it.

    Example: warmfleet ask "What is a load balancer?"
    """
    from scripts import gateway_client, terminal
    from scripts.client_key import given_key
    from scripts.exit_codes import USAGE, CommandError
    from scripts.gateway_route import route
    from scripts.progress import Steps
    from scripts.stack_target import open_stack

    if not question.strip():
        raise CommandError('the question is empty; give one, as in: warmfleet ask "What is a load balancer?"', USAGE)
    target = open_stack(stack)
    wanted = gateway_client.Question(target.outputs.fleet(model).model, question, timeout, most_tokens)
    show = terminal.writer(sys.stdout)
    with route(target, Steps(sys.stderr)) as via:
        answer = gateway_client.ask(
            target.outputs.gateway_url, wanted, (lambda _: None) if as_json else show, via, given_key(target)
        )
    if as_json:
        document = asdict(answer)
        terminal.print_json({"answer": document.pop("text"), **document})
    else:
        show("\n")
