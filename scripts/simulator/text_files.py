"""What is in a file that somebody gives: text, plain or compressed, and the rows of a table in it by line."""

import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

from scripts.simulator.traces import TraceError

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"  # what such files begin with: RFC 1952, and xz's file format 1.1.0

Row = tuple[int, list[str]]  # line, cells without the spaces around them


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; xz and gzip are known by their first bytes.

    Raises TraceError.
    """
    try:
        data = path.read_bytes()
        if data.startswith(GZIP):
            data = gzip.decompress(data)
        elif data.startswith(XZ):
            data = lzma.decompress(data)
        return data.decode("utf-8-sig")
    except (UnicodeDecodeError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        problem = f"it cannot be read as text ({type(error).__name__})"
        raise TraceError(path, problem, "give text in UTF-8, plain or compressed with xz or gzip") from error


def read_rows(path: Path, text: str) -> Iterator[Row]:
    """Rows of a CSV with the numbers of their lines. Blank lines and those that begin with # are passed over.

    Raises TraceError: another separator than a comma, a quote that is not closed.
    """
    lines = ("\n" if line.lstrip().startswith("#") else line for line in io.StringIO(text, newline=None))
    reader = csv.reader(lines, skipinitialspace=True)
    last, begun = 0, False
    try:
        for row in reader:
            if reader.line_num > last + 1:
                raise TraceError(path, "a quote is not closed on its line", "close or remove it", last + 1)
            last = reader.line_num
            cells = [cell.strip() for cell in row]
            if any(cells):
                if not begun:
                    _separated_by_commas(path, cells, last)
                begun = True
                yield last, cells
    except csv.Error as error:
        raise TraceError(path, f"it is no CSV ({error})", "correct the row", reader.line_num) from error


def _separated_by_commas(path: Path, cells: list[str], line: int) -> None:
    for name, mark in (("semicolons", ";"), ("tabs", "\t")):
        if any(mark in cell for cell in cells):
            raise TraceError(path, f"its columns are separated by {name}", "separate them by commas", line)
