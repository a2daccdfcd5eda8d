"""`warmfleet backend`: where Pulumi keeps the state of stacks on AWS."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag

if TYPE_CHECKING:
    from scripts.aws_session import Aws
    from scripts.progress import Steps
    from scripts.state_backend import StateBackend

app = typer.Typer(help="Where Pulumi keeps the state of stacks on AWS.", no_args_is_help=True)


@app.command()
def init(
    region: Annotated[str | None, typer.Option(metavar="R", help="Default: the region of the stack files.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the state bucket and its key for your account and region, or repair what differs. Deletes nothing.

    Run again, it changes nothing; interrupted, the same command goes on. Removing it: docs/runbooks/state.md.

    Example: warmfleet backend init --region eu-central-1
    """
    from scripts import stack_files, terminal
    from scripts.aws_session import Aws
    from scripts.progress import Steps
    from scripts.root import find_root
    from scripts.state_backend import choose_region, next_steps, s3_endpoint

    files = stack_files.read_all(find_root(Path.cwd()))
    chosen = choose_region(region, files, os.environ)
    aws, steps = Aws(os.environ, chosen), Steps(sys.stderr)
    backend = _account(aws, chosen, steps)
    key_arn, changes = _make(aws, backend, steps)
    then = next_steps(backend, files)
    document: dict[str, Any] = {
        "account": backend.account,
        "region": backend.region,
        "bucket": backend.bucket,
        "key": key_arn,
        "url": backend.url(s3_endpoint(os.environ)),
        "secrets_provider": backend.secrets_provider,
        "changes": changes,
        "note": then.note,
        "next": list(then.commands),
    }
    if as_json:
        terminal.print_json(document)
    else:
        _show(document)


def _account(aws: "Aws", region: str, steps: "Steps") -> "StateBackend":
    from scripts.state_account import backend_of_caller

    with steps.step("account") as step:
        backend = backend_of_caller(aws, region)
        step.result = f"{backend.account}, {region}"
    return backend


def _make(aws: "Aws", backend: "StateBackend", steps: "Steps") -> tuple[str, list[str]]:
    """The key first: the bucket is encrypted with it from its beginning. The key's ARN, and what was changed."""
    from scripts.aws_session import explained
    from scripts.state_bucket import StateBucket, differences, wanted
    from scripts.state_key import ensure_key

    bucket = StateBucket(aws.client("s3"), backend)
    with steps.step("bucket") as step, explained():
        new = not bucket.exists()  # before a key is made: somebody else's bucket ends it here
        step.result = "to be made" if new else "there"
    with steps.step("key") as step, explained():
        key_arn, changes = ensure_key(aws.client("kms"))
        step.result = "; ".join(changes) or "no change"
    with steps.step("settings") as step, explained():
        if new:
            bucket.create()
            changes.append(f"bucket {backend.bucket}: created")
        want = wanted(backend, key_arn)
        repairs = differences(want, bucket.read())
        for name in repairs:
            step.say(name)
            bucket.repair(name, want[name])
        changes += [f"{name}: {'made' if new else was}" for name, was in repairs.items()]
        step.result = ", ".join(repairs) or "no change"
    return key_arn, changes


def _show(document: dict[str, Any]) -> None:
    from scripts import terminal

    for change in document["changes"] or ["no change"]:
        terminal.say(change)
    terminal.say(f"\nbackend  {document['url']}\nsecrets  {document['secrets_provider']}")
    if document["note"]:
        terminal.say(f"\n{document['note']}", style="yellow")
    for number, command in enumerate(document["next"]):
        terminal.say(f"{'' if number else chr(10) + 'next:' + chr(10)}  {command}")
