"""`warmfleet chaos`: strike a fleet of real processes while clients ask it, and count what they lost."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag

if TYPE_CHECKING:
    from scripts.chaos.ledger import Counts, Entry

MOST_UNREADY_SECONDS = 5.0  # after a notice
MOST_OVERDUE_SECONDS = 5.0  # after its end, until EC2 has the instance
MOST_QUOTED = 5
SHOWN = (
    "requests",
    "jobs",
    "answered",
    "lost",
    "duplicated",
    "cut",
    "unexpected",
    "client_reconnects",
    "resumed",
    "text_mismatches",
)


def chaos(
    requests: Annotated[int, typer.Option(min=1, help="In all, split evenly over the scenarios.")] = 280,
    jobs: Annotated[int | None, typer.Option(min=0, help="Beside them; default: 15 for 100 requests.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses questions and victims.")] = 1,
    scenario: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")] = None,
    guards_off: Annotated[str, typer.Option(hidden=True, help="Tests: switch guards off and see the loss.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Run notices, kills, wedged engines, outages and rollouts against a local fleet under load. Exit 1 on any loss.

    The fleet is this command's own, of real gateways and nodes over HTTP, with the scripted engine and shortened times
    (docs/chaos.md). It touches no stack, and nothing of it remains.

    Example: warmfleet chaos --requests 100 --scenario notice --scenario gateway-killed
    """
    from scripts import terminal
    from scripts.chaos.ledger import totals

    names = scenario or _known()
    _refuse_unknown(names)
    counted, problems = _strike(_Wanted(requests, jobs, seed, names, guards_off))
    total = totals(counted.values())
    if as_json:
        terminal.print_json(_document(seed, counted, problems, total))
    else:
        terminal.out().print(_table(counted, total))
    _refuse_loss(problems)


@dataclass(frozen=True)
class _Wanted:
    """What to run. `jobs` None: 15 for 100 requests."""

    requests: int
    jobs: int | None
    seed: int
    names: Sequence[str]
    guards_off: str


def _known() -> list[str]:
    from scripts.chaos.scenarios import SCENARIOS

    return list(SCENARIOS)


def _refuse_unknown(names: Sequence[str]) -> None:
    from scripts.exit_codes import USAGE, CommandError

    known = _known()
    if unknown := [name for name in names if name not in known]:
        text = f"--scenario {', '.join(unknown)} is unknown; one of {', '.join(known)} is needed"
        raise CommandError(text, USAGE)


def _strike(wanted: _Wanted) -> tuple[dict[str, "Counts"], dict[str, list[str]]]:
    """Run the scenarios on one fleet: what was counted, and what must not be, by scenario."""
    import tempfile
    from pathlib import Path

    from scripts.chaos.fleet import running
    from scripts.chaos.run import scenario, settle, shares
    from scripts.progress import Steps

    steps, counted, problems = Steps(sys.stderr), {}, {}
    jobs = shares(wanted.requests * 15 // 100 if wanted.jobs is None else wanted.jobs, wanted.names)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmfleet-chaos-")))
        with steps.step("begin") as shown:
            fleet = stack.enter_context(running(folder, wanted.guards_off, shown.say))
        for name, requests in shares(wanted.requests, wanted.names).items():
            with steps.step(name) as shown:
                shown.say("waiting for a whole fleet")
                settle(fleet)
                run = scenario(fleet, name, requests, jobs[name], wanted.seed, shown.say)
                counted[name], entries = asyncio.run(run)
                problems[name] = _problems(counted[name], entries)
                shown.result = _in_short(counted[name])
    return counted, problems


def _problems(counted: "Counts", entries: "Sequence[Entry]") -> list[str]:
    from scripts.chaos import ledger
    from scripts.chaos.fleet import NOTICE_SECONDS

    seen = sorted({text for each in entries for text in each.unexpected})
    return ledger.failures(counted, MOST_UNREADY_SECONDS, NOTICE_SECONDS + MOST_OVERDUE_SECONDS) + seen[:MOST_QUOTED]


def _refuse_loss(problems: Mapping[str, list[str]]) -> None:
    from scripts.exit_codes import FAILED, CommandError

    if listing := "\n".join(f"  {name}: {text}" for name, texts in problems.items() for text in texts):
        raise CommandError(f"the fleet did not keep its promises:\n{listing}", FAILED)


def _in_short(counted: "Counts") -> str:
    asked = counted.requests + counted.jobs
    return f"{counted.answered} of {asked} answered, {counted.lost} lost, {counted.cut} cut, {counted.resumed} resumed"


def _document(
    seed: int, counted: "Mapping[str, Counts]", problems: Mapping[str, list[str]], total: "Counts"
) -> dict[str, Any]:
    from dataclasses import asdict

    from scripts.chaos.fleet import NODES, NOTICE_SECONDS

    scenarios = {name: asdict(each) | {"problems": problems[name]} for name, each in counted.items()}
    scaled = {"notice_seconds": NOTICE_SECONDS, "notice_seconds_on_aws": 120, "nodes": NODES, "engine": "stub"}
    return {"seed": seed, "scaled": scaled, "scenarios": scenarios, "totals": asdict(total)}


def _table(counted: "Mapping[str, Counts]", total: "Counts") -> Any:
    from scripts import terminal

    rows = [
        [title, *(str(getattr(each, name)) for name in SHOWN), f"{each.longest_gap_seconds:.2f}"]
        for title, each in [*counted.items(), ("all", total)]
    ]
    titles = [name.replace("_", " ") for name in SHOWN]
    return terminal.table("scenario", *titles, "longest gap s", rows=rows)
