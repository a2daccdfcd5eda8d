"""`warmfleet models`: publish a version, list, activate, roll back; `models caches` is caches.py."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.commands import caches
from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference_service.artifacts import ArtifactStore, Pointer
    from scripts.rollout.drive import Wave
    from scripts.stack_target import StackTarget

app = typer.Typer(help="Model versions: publish, list, activate, roll back.", no_args_is_help=True)
app.add_typer(caches.app, name="caches")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as in the stack's `models`.")]


@app.command()
def publish(
    name: Name,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, or a Hugging Face directory.")],
    version: Annotated[str | None, typer.Option(help="Default: a hash of the content.")] = None,
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Also formats that may carry code.")] = False,
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Publish files as one version that never changes. The same bytes again: nothing happens.

    Example: warmfleet models publish my-model ./weights
    """
    from inference_service.artifacts import publish as publish_version
    from scripts import terminal
    from scripts.progress import Steps
    from scripts.serving import in_words, news

    _, store = _open(stack)
    with Steps(sys.stderr).step("publish") as step:
        done = publish_version(
            store, name, paths, version=version, allow_code=allow_code, progress=lambda each: step.say(in_words(each))
        )
        step.result = news(done) + done.version
    document = {"model": name, "version": done.version, "manifest_sha256": done.manifest_sha256}
    if as_json:
        terminal.print_json({**document, "created": done.created, "repaired": done.repaired, "bytes": done.bytes})
    else:
        terminal.say(f"{name} {done.version}\nactivate it: warmfleet models activate {name} {done.version}")


@app.command("list")
def list_versions(stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """List every model's versions and which one is active.

    Example: warmfleet models list
    """
    from scripts import terminal
    from scripts.aws_session import explained

    target, store = _open(stack)
    with explained():
        names = sorted({*store.models(), *(fleet.model for fleet in target.outputs.fleets)})
        models = [_describe(store, name) for name in names]
    if as_json:
        terminal.print_json({"models": models})
        return
    rows = [
        [model["model"], version["version"], version["state"], f"{version['bytes'] / 1e6:.0f} MB"]
        for model in models
        for version in model["versions"]
    ] + [[model["model"], "-", "nothing published", ""] for model in models if not model["versions"]]
    terminal.out().print(terminal.table("model", "version", "", "size", rows=rows))
    for problem in (version["problem"] for model in models for version in model["versions"] if version["problem"]):
        terminal.say(f"  - {problem}", style="yellow")


@app.command()
def activate(
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A published version.")],
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Let the model's nodes serve VERSION: one node first, then in waves; at once while no node serves.

    Each wave waits until its nodes are ready and answer well, and spares the nodes that traffic needs. A failure, or
    Ctrl-C, sets the wave back: the active version stays. The first activation wakes the fleet.

    Takes on the stack's promoter role, the only one that may write which version is served.

    Example: warmfleet models activate my-model 3f9a0c1d2e4b5a67
    """
    from scripts.progress import Steps
    from scripts.rollout.activation import activate_on

    target, _ = _open(stack)
    done = activate_on(target, name, version, Steps(sys.stderr))
    _report(target, name, done.pointer, done.waves, as_json=as_json)


@app.command()
def rollback(name: Name, stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Go back to the version that was active before, at once; nodes still have it on disk. Ends a rollout, too.

    Example: warmfleet models rollback my-model
    """
    from inference_service.artifacts import rollback as roll_back
    from scripts.promotion import promoter_store

    target, _ = _open(stack)
    target.outputs.fleet(name)  # a model of this stack
    _report(target, name, roll_back(promoter_store(target), name), (), as_json=as_json)


def _open(stack: str) -> "tuple[StackTarget, ArtifactStore]":
    from inference_service.artifacts import ArtifactStore
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    return target, ArtifactStore(target.aws.client("s3"), target.outputs.bucket)


def _describe(store: "ArtifactStore", name: str) -> dict[str, Any]:
    read = store.read_pointer(name)
    named = {field: getattr(read[0], field) if read else None for field in ("current", "candidate", "previous")}
    words = {
        "current": "active",
        "candidate": f"under way, {read[0].wave_percent} %" if read else "",
        "previous": "previous",
    }
    states: dict[str, str] = {}
    for field, reference in named.items():
        if reference:
            states.setdefault(reference.version, words[field])
    return {
        "model": name,
        **{field: reference.version if reference else None for field, reference in named.items()},
        "wave_percent": read[0].wave_percent if read else 0,
        "versions": [_described(store, name, each, states.get(each, "published")) for each in store.versions(name)],
    }


def _described(store: "ArtifactStore", name: str, version: str, state: str) -> dict[str, Any]:
    """One version; one whose manifest is of no use is listed too, with what is wrong, and hides no other."""
    from inference_service.artifacts import ArtifactError

    try:
        manifest = store.manifest(name, version)
    except ArtifactError as error:
        return {"version": version, "state": state, "manifest_sha256": None, "bytes": 0, "problem": str(error)}
    sha256, size = manifest.sha256(), manifest.total_bytes
    return {"version": version, "state": state, "manifest_sha256": sha256, "bytes": size, "problem": None}


def _report(target: "StackTarget", name: str, pointer: "Pointer", waves: "Sequence[Wave]", *, as_json: bool) -> None:
    """Wake the fleet if it sleeps, and say what is so now."""
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.wake import in_words, wake

    with explained():
        woken = wake(target.aws.client("autoscaling"), target.outputs.fleet(name))
    previous = pointer.previous.version if pointer.previous else None
    if as_json:
        document = {"model": name, "current": pointer.current.version, "previous": previous}
        done = {"waves": [asdict(each) for each in waves], "woken": [asdict(each) for each in woken]}
        terminal.print_json({**document, **done})
        return
    terminal.say(f"{name} {pointer.current.version} is active" + (f"; before: {previous}" if previous else ""))
    if woken:
        terminal.say(f"woken: {in_words(woken)}; `warmfleet status` shows how far it is")
