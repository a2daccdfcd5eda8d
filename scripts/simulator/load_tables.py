"""A load in a CSV: rates over time, or requests one by one."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scripts.simulator import columns
from scripts.simulator.columns import REQUESTS, Form
from scripts.simulator.load_series import Rate, Request, from_rates, from_requests
from scripts.simulator.moments import epoch_unit, moment, number
from scripts.simulator.text_files import Row, read_rows
from scripts.simulator.traces import Series, TraceError

FORMATS = "give t_seconds,rate_per_second rows, requests with a timestamp and token counts, or Mooncake's JSON lines"


@dataclass(frozen=True)
class Table:
    """A CSV of which the first rows are known: its header where it has one, and the first row of figures."""

    path: Path
    text: str
    header: list[str] | None
    first: Row

    def rows(self) -> Iterator[Row]:
        """The rows of figures."""
        return (row for row in read_rows(self.path, self.text) if row[0] >= self.first[0])

    @property
    def width(self) -> int:
        """Columns, without empty ones at the end."""
        cells = self.header or self.first[1]
        return max((at for at, cell in enumerate(cells, 1) if cell), default=0)


def read_table(path: Path, text: str, form: Form | None = None) -> Series:
    """The load in a CSV, with a note on what it was taken for where its header does not tell; `form` where it is known.

    Raises TraceError naming file, line and remedy.
    """
    table = _opened(path, text)
    form = form or (columns.told_by_header(table.header) if table.header else None) or _guessed(table)
    first = number(table.first[1][form.time])
    unit, name = epoch_unit(first) if first is not None and not form.unit_seconds else (form.unit_seconds or 1.0, "")
    form = replace(form, unit_seconds=unit)
    load = (
        from_requests(path, _requests(table, form)) if form.kind == REQUESTS else from_rates(path, _rates(table, form))
    )
    notes = [_guess(table, form, load.step_seconds)] if form.guessed else []
    if name and unit != 1:
        notes.append(f"its times are taken for {name} since 1970")
    return replace(load, notes=tuple(f"{path.name}: {note}" for note in notes))


def _opened(path: Path, text: str) -> Table:
    rows = read_rows(path, text)
    top = next(rows, None)
    if top is None:
        raise TraceError(path, "it has no rows", "give a trace with at least two")
    header = top[1] if columns.is_header(top[1]) else None
    first = next(rows, None) if header else top
    if first is None:
        raise TraceError(path, f"no row of figures comes after {_shown(top)}", FORMATS, top[0])
    table = Table(path, text, header, first)
    time = columns.time_column(header)[0]
    only_a_number = header is None and table.width < 2 and number(first[1][0]) is not None
    if only_a_number or _moment(first, time, 1.0) is None:
        raise TraceError(path, f"its rows have no known form: {_shown(first)}", FORMATS, first[0])
    return table


def _guessed(table: Table) -> Form:
    time = columns.time_column(table.header)[0]
    times = array("d", (_time(table, row, time, 1.0, "no time") for row in table.rows()))
    return columns.guessed(table.header, table.width, np.array(times))


def _guess(table: Table, form: Form, step_seconds: float) -> str:
    why = "its header names neither a rate nor tokens" if table.header else "it has no header"
    if form.kind == REQUESTS:
        what = "one request a row, since its times come at no even step" if form.value else "one request a row"
    else:
        what = f"rates every {step_seconds:g} s, since its times come at an even step"
    return f"{why}: taken for {what}; a header t_seconds,rate_per_second or timestamp,prompt_tokens,output_tokens tells"


def _rates(table: Table, form: Form) -> Iterator[Rate]:
    for row in table.rows():
        time = _time(table, row, form.time, form.unit_seconds, "no two numbers")
        rate = _number(row, form.value)
        if rate is None:
            raise TraceError(table.path, f"no two numbers in {_shown(row)}", "write t_seconds,rate_per_second", row[0])
        yield row[0], time, rate


def _requests(table: Table, form: Form) -> Iterator[Request]:
    for row in table.rows():
        time = _time(table, row, form.time, form.unit_seconds, "no time and token count")
        tokens = 1.0 if form.value is None else _number(row, form.value)
        if tokens is None:
            raise TraceError(table.path, f"no time and token count in {_shown(row)}", FORMATS, row[0])
        yield row[0], time, _number(row, form.prompt), tokens


def _time(table: Table, row: Row, column: int, unit: float, problem: str) -> float:
    found = _moment(row, column, unit)
    if found is None:
        raise TraceError(table.path, f"{problem} in {_shown(row)}", FORMATS, row[0])
    return found


def _moment(row: Row, column: int, unit: float) -> float | None:
    """A number counts in `unit` seconds; other forms of a time have no unit."""
    if column >= len(row[1]):
        return None
    plain = number(row[1][column])
    return moment(row[1][column]) if plain is None else plain * unit


def _number(row: Row, column: int | None) -> float | None:
    return number(row[1][column]) if column is not None and column < len(row[1]) else None


def _shown(row: Row) -> str:
    return repr(",".join(row[1])[:60])
