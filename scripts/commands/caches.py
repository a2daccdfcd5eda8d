"""`warmfleet models caches`: the engine's compiled code that nodes offer, and that they fetch."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from inference_service.artifacts import ArtifactStore
    from inference_service.artifacts.compile_cache import CacheFacts

app = typer.Typer(
    help="The engine's compiled code, with which nodes start faster: list, accept, withdraw.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as in the stack's `models`.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it, or the beginning of it.")]


@app.command("list")
def list_caches(name: Name, stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """List what nodes offer and what is accepted, each with what it is good for.

    Example: warmfleet models caches list my-model
    """
    from scripts import compile_caches, terminal
    from scripts.aws_session import explained

    store = _open(stack, name)
    with explained():
        taken, offered = compile_caches.accepted(store, name), compile_caches.offers(store, name)
    rows = [_row(each.key, "accepted", each.bytes, each.facts) for each in taken]
    rows += [_row(each.key, f"offered by {each.instance_id}", each.bytes, each.facts) for each in offered]
    if as_json:
        terminal.print_json({"model": name, "caches": rows})
        return
    if not rows:
        terminal.say(f"no compiled code of {name}: nodes with vLLM offer theirs once they have compiled it")
        return
    shown = [[row["key"], row["state"], f"{row['bytes'] / 1e6:.0f} MB", _in_words(row)] for row in rows]
    terminal.out().print(terminal.table("key", "", "size", "good for", rows=shown))


@app.command()
def accept(
    name: Name,
    key: Key,
    instance: Annotated[str | None, typer.Option(metavar="ID", help="Whose, if several offer it.")] = None,
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Let nodes fetch what one of them offers. It is code that every node of its kind will run.

    Takes on the stack's promoter role, the only one that may write what nodes run.

    Example: warmfleet models caches accept my-model 3f9a0c1d
    """
    from scripts import compile_caches, terminal
    from scripts.aws_session import explained
    from scripts.exit_codes import CommandError

    store = _open(stack, name, promoter=True)
    with explained():
        found = [each for each in compile_caches.offers(store, name) if instance in (None, each.instance_id)]
        whole = compile_caches.named(key, (each.key for each in found), "offered")
        fitting = [each for each in found if each.key == whole]
        if len(fitting) > 1:
            raise CommandError(
                f"{', '.join(each.instance_id for each in fitting)} offer {whole}: name one by --instance"
            )
        done = compile_caches.accept(store, name, fitting[0])
    if as_json:
        terminal.print_json({"model": name, "key": whole, "instance_id": fitting[0].instance_id, "bytes": done.bytes})
        return
    already = "" if done.created else " was accepted already"
    terminal.say(f"{name} {whole} of {fitting[0].instance_id}{already}: nodes fetch it from their next start on")


@app.command()
def withdraw(name: Name, key: Key, stack: StackOption = LOCAL_STACK) -> None:
    """Let nodes fetch it no more. What nodes have on their disks stays there until they are replaced.

    Example: warmfleet models caches withdraw my-model 3f9a0c1d
    """
    from scripts import compile_caches, terminal
    from scripts.aws_session import explained

    store = _open(stack, name, promoter=True)
    with explained():
        whole = compile_caches.named(key, store.versions(name), "accepted")
        compile_caches.withdraw(store, name, whole)
    terminal.say(f"{name} {whole} is withdrawn: the next node that needs it compiles, and offers its own")


def _open(stack: str, model: str, *, promoter: bool = False) -> "ArtifactStore":
    from inference_service import contract
    from inference_service.artifacts import ArtifactStore
    from scripts.promotion import promoter_store
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    target.outputs.fleet(model)  # a model of this stack
    s3 = promoter_store(target).s3 if promoter else target.aws.client("s3")
    return ArtifactStore(s3, target.outputs.bucket, contract.CACHES_PREFIX)


def _row(key: str, state: str, size: int, facts: "CacheFacts | None") -> dict[str, Any]:
    known = {"version": facts.version, "engine": facts.engine, "gpu": facts.gpu} if facts else {}
    return {"key": key, "state": state, "bytes": size, **known, "flags": list(facts.flags) if facts else None}


def _in_words(row: dict[str, Any]) -> str:
    if row["flags"] is None:
        return "unknown: it does not say what its key says"
    return f"{row['version']}, {row['engine']}, {row['gpu']}"
