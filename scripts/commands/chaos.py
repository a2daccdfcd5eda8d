"""`warmfleet chaos`: strike a fleet of real processes while clients ask it, and count what they lost."""

import sys
from typing import Annotated, Any

import typer

from scripts.options import JsonFlag


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
    import asyncio
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from scripts import terminal
    from scripts.chaos import ledger
    from scripts.chaos.fleet import NOTICE_SECONDS, running
    from scripts.chaos.run import scenario as run_scenario
    from scripts.chaos.run import settle, shares
    from scripts.chaos.scenarios import SCENARIOS
    from scripts.exit_codes import FAILED, USAGE, CommandError
    from scripts.progress import Steps

    names = scenario or list(SCENARIOS)
    if unknown := [name for name in names if name not in SCENARIOS]:
        known = ", ".join(SCENARIOS)
        raise CommandError(f"--scenario {', '.join(unknown)} is unknown; one of {known} is needed", USAGE)
    steps, found, problems = Steps(sys.stderr), dict[str, ledger.Counts](), dict[str, list[str]]()
    with tempfile.TemporaryDirectory(prefix="warmfleet-chaos-") as folder:
        with steps.step("begin") as shown:
            made = running(Path(folder), guards_off, shown.say)
            fleet = made.__enter__()
        try:
            queued = shares(requests * 15 // 100 if jobs is None else jobs, names)
            for name, count in shares(requests, names).items():
                with steps.step(name) as shown:
                    shown.say("waiting for a whole fleet")
                    settle(fleet)
                    found[name], entries = asyncio.run(run_scenario(fleet, name, count, queued[name], seed, shown.say))
                    problems[name] = ledger.failures(found[name], 5.0, NOTICE_SECONDS + 5.0)
                    problems[name] += sorted({text for each in entries for text in each.unexpected})[:5]
                    shown.result = _in_short(found[name])
        finally:
            made.__exit__(*sys.exc_info())
    total = ledger.totals(found.values())
    if as_json:
        terminal.print_json(_document(seed, found, problems, asdict(total)))
    else:
        terminal.out().print(_table(found, total))
    lost = {name: texts for name, texts in problems.items() if texts}
    if lost:
        listing = "\n".join(f"  {name}: {text}" for name, texts in lost.items() for text in texts)
        raise CommandError(f"the fleet did not keep its promises:\n{listing}", FAILED)


def _in_short(found: Any) -> str:
    asked = found.requests + found.jobs
    return f"{found.answered} of {asked} answered, {found.lost} lost, {found.cut} cut, {found.resumed} resumed"


def _document(
    seed: int, found: dict[str, Any], problems: dict[str, list[str]], total: dict[str, Any]
) -> dict[str, Any]:
    from dataclasses import asdict

    from scripts.chaos.fleet import NODES, NOTICE_SECONDS

    scenarios = {name: asdict(each) | {"problems": problems[name]} for name, each in found.items()}
    scaled = {"notice_seconds": NOTICE_SECONDS, "notice_seconds_on_aws": 120, "nodes": NODES, "engine": "stub"}
    return {"seed": seed, "scaled": scaled, "scenarios": scenarios, "totals": total}


def _table(found: dict[str, Any], total: Any) -> Any:
    from scripts import terminal

    names = (
        "requests",
        "jobs",
        "answered",
        "lost",
        "cut",
        "unexpected",
        "client_reconnects",
        "resumed",
        "text_mismatches",
    )
    rows = [
        [title, *(str(getattr(each, name)) for name in names), f"{each.longest_gap_seconds:.2f}"]
        for title, each in [*found.items(), ("all", total)]
    ]
    titles = [name.replace("_", " ") for name in names]
    return terminal.table("scenario", *titles, "longest gap s", rows=rows)
