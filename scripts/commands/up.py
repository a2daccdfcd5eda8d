"""`warmfleet up`: from nothing to an answer, on the local cloud."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag

if TYPE_CHECKING:
    from scripts.up_summary import Summary

WARM_SECONDS = 300.0
ASK_SECONDS = 60.0


def up(
    as_json: JsonFlag = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for a warm node.")] = WARM_SECONDS,
) -> None:
    """Provision a fleet on the local cloud, publish a model, wake a node and ask it a question.

    Run again, it changes nothing and asks again. Interrupted at any moment, the same command goes on.

    Example: warmfleet up
    """
    from scripts import terminal, up_summary
    from scripts.default_model import default_model
    from scripts.local_stack import command_lock
    from scripts.machine_checks import refuse_unfit
    from scripts.progress import Steps
    from scripts.provisioning import provision
    from scripts.root import LOCAL_STACK, find_root
    from scripts.serving import QUESTION, ask_it, replace_hopeless, serve, wait_until_warm
    from scripts.settings_check import refuse_mistakes
    from scripts.terminal import writer

    root = find_root(Path.cwd())
    refuse_mistakes(root, LOCAL_STACK)
    refuse_unfit(root)
    steps = Steps(sys.stderr)
    with command_lock(root):
        provisioned = provision(root, steps, os.environ)
        target = provisioned.target
        model, url = target.outputs.fleet(None).model, target.outputs.gateway_url
        active, done = serve(target, model, default_model(), steps)
        with steps.step("warm node") as step:
            done += [f"replaced {each}" for each in replace_hopeless(target, model)]
            node = wait_until_warm(target, model, step, wait_seconds=wait)
        with steps.step("ask", moving=False) as step:
            show = writer(sys.stderr if as_json else sys.stdout)
            show(f"\n{QUESTION}\n")
            try:
                answer = ask_it(url, model, show, ASK_SECONDS)
            finally:
                show("\n\n")
            step.result = f"{answer.tokens} tokens in {answer.seconds:.1f} s"
    changed = bool(done or provisioned.changes)
    summary = up_summary.Summary(url, model, active, node, answer, tuple(steps.finished), changed)
    if as_json:
        terminal.print_json(up_summary.as_json(summary))
    else:
        _show(summary)


def _show(summary: "Summary") -> None:
    from scripts import terminal, up_summary

    terminal.say()
    terminal.out().print(up_summary.as_table(summary))
    for title, text in (("curl", up_summary.curl_line), ("OpenAI SDK", up_summary.sdk_snippet)):
        terminal.say(f"\n{title}:", style="bold")
        terminal.say(text(summary.url, summary.model))
    state = "done" if summary.changed else "no change"
    terminal.say(f"\n{state} in {sum(step.seconds for step in summary.steps):.1f} s; `make down` removes everything")
