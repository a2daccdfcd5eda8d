"""`warmfleet up`: from nothing to an answer on the local cloud, or another stack as its program wants it."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from scripts.commands.preview import StackArgument
from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.gateway_client import Answer
    from scripts.progress import Steps
    from scripts.provisioning import Provisioned
    from scripts.up_summary import Summary


class Nodes(StrEnum):
    """What the local cloud's instances are."""

    processes = "processes"
    hosts = "hosts"


WARM_SECONDS = 300.0
ASK_SECONDS = 60.0
PACK = Path("infra", "policies")


def up(
    stack: StackArgument = LOCAL_STACK,
    as_json: JsonFlag = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for a warm node (local).")] = WARM_SECONDS,
    nodes: Annotated[
        Nodes | None,
        typer.Option(help="What local instances are; hosts need root. Default: as they are, or processes."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a stack on AWS is changed.")] = False,
    lose_data: Annotated[bool, typer.Option("--lose-data", help="Also replace and delete what holds data.")] = False,
) -> None:
    """Provision a fleet on the local cloud, publish a model, wake a node and ask it a question.

    Run again, it changes nothing and asks again. Interrupted at any moment, the same command goes on.

    With STACK: preview it, refuse what AWS or a rule would refuse and what would lose data, ask, then run `pulumi up`
    with the policy pack.

    Example: warmfleet up
    """
    if stack != LOCAL_STACK:
        _refuse_nodes(nodes)
        _other(stack, as_json, yes, lose_data)
        return
    _local(as_json, wait, nodes)


def _local(as_json: bool, wait: float, nodes: Nodes | None) -> None:
    from scripts import terminal, up_summary
    from scripts.local_stack import command_lock
    from scripts.machine_checks import refuse_unfit
    from scripts.progress import Steps
    from scripts.provisioning import provision
    from scripts.root import find_root
    from scripts.settings_check import refuse_mistakes

    root = find_root(Path.cwd())
    refuse_mistakes(root, LOCAL_STACK)
    refuse_unfit(root)
    steps = Steps(sys.stderr)
    with command_lock(root):
        provisioned = provision(root, steps, os.environ, nodes.value if nodes else None)
        summary = _warmed(provisioned, steps, wait, sys.stderr if as_json else sys.stdout)
    if as_json:
        terminal.print_json(up_summary.as_json(summary))
    else:
        _show(summary)


def _warmed(provisioned: "Provisioned", steps: "Steps", wait: float, shown: TextIO) -> "Summary":
    """Key, model, a warm node and its answer, on what was provisioned."""
    from scripts.client_key import KEY_NAME, ensure_key, wait_until_accepted
    from scripts.default_model import default_model
    from scripts.serving import replace_hopeless, serve, wait_until_warm
    from scripts.up_summary import Summary

    target = provisioned.target
    model, url = target.outputs.fleet(None).model, target.outputs.gateway_url
    with steps.step("API key") as step:
        key, key_made = ensure_key(target, os.environ)
        step.result = f"{KEY_NAME}{'' if key_made else ', no change'}"
    active, done = serve(target, model, default_model(), steps)
    with steps.step("warm node") as step:
        done += [f"replaced {each}" for each in replace_hopeless(target, model)]
        node = wait_until_warm(target, model, step, wait_seconds=wait)
        wait_until_accepted(url, key)
    answer = _asked(url, model, key, steps, shown)
    changed = bool(done or provisioned.changes or key_made)
    return Summary(url, key, model, active, node, answer, tuple(steps.finished), changed)


def _asked(url: str, model: str, key: str, steps: "Steps", shown: TextIO) -> "Answer":
    from scripts.serving import QUESTION, ask_it
    from scripts.terminal import writer

    with steps.step("ask", moving=False) as step:
        show = writer(shown)
        show(f"\n{QUESTION}\n")
        try:
            answer = ask_it(url, model, show, ASK_SECONDS, key)
        finally:
            show("\n\n")
        step.result = f"{answer.tokens} tokens in {answer.seconds:.1f} s"
    return answer


def _refuse_nodes(nodes: Nodes | None) -> None:
    """Raises CommandError for what only local instances can be."""
    from scripts.exit_codes import USAGE, CommandError

    if nodes:
        raise CommandError("--nodes is about the local cloud: instances on AWS are machines; leave it out", USAGE)


def _show(summary: "Summary") -> None:
    from scripts import terminal, up_summary

    terminal.say()
    terminal.out().print(up_summary.as_table(summary))
    for title, text in (("curl", up_summary.curl_line), ("OpenAI SDK", up_summary.sdk_snippet)):
        terminal.say(f"\n{title}:", style="bold")
        terminal.say(text(summary.url, summary.key, summary.model))
    state = "done" if summary.changed else "no change"
    terminal.say(f"\n{state} in {sum(step.seconds for step in summary.steps):.1f} s; `make down` removes everything")


def _other(stack: str, as_json: bool, yes: bool, lose_data: bool) -> None:
    """A stack that is not the local one, with the user's own environment."""
    from scripts import terminal
    from scripts.commands.preview import as_document, show
    from scripts.progress import Steps
    from scripts.root import find_root
    from scripts.stack_preview import look, refuse
    from scripts.stack_target import pulumi_of

    root, steps = find_root(Path.cwd()), Steps(sys.stderr)
    pulumi = pulumi_of(root, stack, os.environ)
    with steps.step("preview") as step:
        seen = look(pulumi, stack)
        step.result = seen.in_words()
    if not as_json:
        show(seen)
    refuse(seen, stack, lose_data)
    if seen.changes and not yes:
        _ask(stack)
    with steps.step("up") as step:
        update = pulumi.up(stack, step.say, pack=root / PACK)
        step.result = update.result()
    if as_json:
        terminal.print_json({**as_document(stack, seen), "done": update.result()})


def _ask(stack: str) -> None:
    """Return if a person says yes. Raises CommandError."""
    from scripts import terminal
    from scripts.exit_codes import USAGE, CommandError

    if not sys.stdin.isatty():
        raise CommandError(f"nothing was changed: nobody is here to ask; add --yes to change stack {stack}", USAGE)
    terminal.err().print(f"Change stack {stack}? Type yes: ", end="")
    if sys.stdin.readline().strip() != "yes":
        raise CommandError("nothing was changed", USAGE)
