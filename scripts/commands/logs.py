"""`warmfleet logs`: what the local cloud's processes and instances say."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from scripts.options import JsonFlag

PARTS = ("daemon", "aws", "provider")
POLL_SECONDS = 0.3
OVERVIEW_LINES = 10


def logs(
    source: Annotated[
        str | None, typer.Argument(metavar="[INSTANCE|daemon|aws|provider]", help="Whose log; default: a bit of each.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show logs of the local cloud: an instance's service, or one of the cloud's own processes.

    Example: warmfleet logs i-0123456789abcdef0 --follow
    """
    from scripts import terminal
    from scripts.exit_codes import USAGE, CommandError
    from scripts.root import find_root

    known = available(find_root(Path.cwd()))
    if source is None and follow:
        raise CommandError(
            f"--follow needs one log: {', '.join(known) or 'there is none; start with `make up`'}", USAGE
        )
    chosen = known if source is None else {source: choose(known, source)}
    if as_json:
        shown = [{"name": name, "path": str(path), "lines": tail(path, lines)} for name, path in chosen.items()]
        terminal.print_json({"logs": shown})
        return
    for name, path in chosen.items():
        if source is None:
            terminal.say(f"== {name}  {path}", style="bold")
        for line in tail(path, lines if source else min(lines, OVERVIEW_LINES)):
            sys.stdout.write(line + "\n")
    if follow and source:
        for text in growth(chosen[source], time.sleep):
            sys.stdout.write(text)
            sys.stdout.flush()


def available(root: Path) -> dict[str, Path]:
    """Every log that exists: the cloud's own first, then those of its instances."""
    from localcloud.places import Places

    places = Places.of(root)
    own = {name: places.logs / f"{name}.log" for name in PARTS}
    instances = {path.parent.name: path for path in sorted(places.instances.glob("*/stdout.log"))}
    return {name: path for name, path in {**own, **instances}.items() if path.is_file()}


def choose(known: dict[str, Path], source: str) -> Path:
    """The log of `source`.

    Raises:
        CommandError: there is none, with those that there are.
    """
    from scripts.exit_codes import USAGE, CommandError

    if source in known:
        return known[source]
    raise CommandError(f"no log {source!r}; there are: {', '.join(known) or 'none; start with `make up`'}", USAGE)


def tail(path: Path, most: int) -> list[str]:
    """The last `most` lines."""
    return path.read_text(errors="replace").splitlines()[-most:] if most else []


def growth(path: Path, sleep: Callable[[float], None]) -> Iterator[str]:
    """What is appended from now on; a log that is begun anew is read from its start. Ends when the file goes."""
    with path.open(errors="replace") as file:
        file.seek(0, 2)
        while path.exists():
            if text := file.read():
                yield text
                continue
            if path.stat().st_size < file.tell():
                file.seek(0)
            sleep(POLL_SECONDS)
