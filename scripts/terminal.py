"""What commands print: people's text with colours on a terminal only, or one JSON object."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

LOG_COLUMNS = 200  # a table in a file or a pipe is cut less than one on a terminal


def console(stream: TextIO) -> Console:
    """A console on `stream` that finds links, numbers and markup in nobody's text."""
    width = None if stream.isatty() else LOG_COLUMNS
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def out() -> Console:
    return console(sys.stdout)


def err() -> Console:
    return console(sys.stderr)


def say(text: str = "", *, style: str | None = None) -> None:
    """One line of the result, never wrapped: it may be pasted."""
    out().print(text, style=style, soft_wrap=True)


def say_error(text: str) -> None:
    err().print(text, style="red", soft_wrap=True)


def writer(stream: TextIO) -> Callable[[str], None]:
    """Writes pieces of text as they come, without waiting for a line's end."""

    def write(piece: str) -> None:
        stream.write(piece)
        stream.flush()

    return write


def print_json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(*columns: str, rows: list[list[str]], title: str | None = None) -> Table:
    """A table without frames, as wide as its content."""
    made = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*row)
    return made
