"""`warmfleet jobs`: submit a file of requests that nobody waits for, look how far they are, read the results."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.job_batches import Batches, State

app = typer.Typer(help="Jobs: submit, status, result.", no_args_is_help=True)

Batch = Annotated[str, typer.Argument(metavar="BATCH", help="What `jobs submit` printed.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Default: the stack's first model.")]


@app.command()
def submit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A chat completion's body a line (JSONL); - reads stdin.")
    ],
    model: Model = None,
    deadline_seconds: Annotated[float | None, typer.Option(min=1, help="Jobs older than this expire.")] = None,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for the results.")] = 0,
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Queue one job a line. The same file again sends only what has no result yet: nothing is done twice.

    Example: warmfleet jobs submit questions.jsonl --wait 600
    """
    from scripts import job_batches, terminal
    from scripts.exit_codes import FAILED, CommandError
    from scripts.progress import Steps

    lines = _lines(file)
    batches, name = _open(stack, model)
    batch, jobs = job_batches.read(lines, name, deadline_seconds, str(file))
    steps = Steps(sys.stderr)
    with steps.step("submit") as step:
        sent = batches.submit(batch, jobs, step.say)
        step.result = f"{sent} of {len(jobs)} jobs sent, the others have their results"
    state = None
    if wait:
        with steps.step("wait") as step:
            state = job_batches.wait(batches, batch, wait, step.say)
            step.result = _in_words(state)
    if as_json:
        terminal.print_json(
            {"batch": batch, "jobs": len(jobs), "sent": sent, **({"state": asdict(state)} if state else {})}
        )
    else:
        terminal.say(batch)
    if state and not state.done:
        text = f"{state.total - state.completed - state.failed} of {state.total} jobs are not done after {wait:g} s"
        raise CommandError(f"{text}; `warmfleet jobs status {batch}` looks again", FAILED)


@app.command()
def status(batch: Batch, model: Model = None, stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Say how far a batch is.

    Example: warmfleet jobs status 3f2a9c01b7de
    """
    from scripts import terminal

    state = _open(stack, model)[0].state(batch)
    if as_json:
        terminal.print_json({"batch": batch, **asdict(state), "done": state.done})
    else:
        terminal.say(_in_words(state))


@app.command()
def result(batch: Batch, model: Model = None, stack: StackOption = LOCAL_STACK) -> None:
    """Print a JSON line for each job, in the file's order; exit 1 while some have no result.

    Example: warmfleet jobs result 3f2a9c01b7de > answers.jsonl
    """
    import json

    from scripts.exit_codes import FAILED, CommandError

    pending = 0
    for each in _open(stack, model)[0].results(batch):
        pending += each["status"] == "pending"
        print(json.dumps(each, ensure_ascii=False))
    if pending:
        raise CommandError(f"{pending} jobs have no result yet; `last_try` says what is known of them", FAILED)


def _open(stack: str, model: str | None) -> "tuple[Batches, str]":
    from scripts.exit_codes import CommandError
    from scripts.job_batches import Batches
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    fleet = target.outputs.fleet(model)
    if fleet.jobs_queue is None:
        raise CommandError(f"stack {stack} has no queue for {fleet.model}; `pulumi up` of this version makes one")
    return Batches(
        target.aws.client("sqs"), target.aws.client("s3"), fleet.jobs_queue, target.outputs.bucket
    ), fleet.model


def _lines(file: Path) -> list[str]:
    from scripts.exit_codes import USAGE, CommandError

    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}", USAGE) from error


def _in_words(state: "State") -> str:
    rest = state.total - state.completed - state.failed
    tried = f" ({state.tried} were tried)" if state.tried else ""
    return f"{state.total} jobs: {state.completed} completed, {state.failed} failed or expired, {rest} not done{tried}"
