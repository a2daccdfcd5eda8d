"""`warmfleet cost`: what a stack costs, which types fit it, and whether the account has the quota."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.commands.preview import StackArgument
from scripts.options import JsonFlag
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.aws_prices import Market
    from scripts.stack_cost import StackCost, TypeRow

OTHERS_SHOWN = 8  # of types that are not chosen: all of them are in --json


def cost(
    stack: StackArgument = LOCAL_STACK,
    offline: Annotated[bool, typer.Option("--offline", help="Ask AWS nothing; prices of the committed table.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what STACK costs an hour and a month, which types fit and why others do not, and the quotas it needs.

    Asks AWS for prices, zones and quotas where your credentials may; changes nothing.

    Example: warmfleet cost dev
    """
    from infra.settings import parse
    from scripts import terminal
    from scripts.aws_prices import Market
    from scripts.progress import Steps
    from scripts.root import find_root
    from scripts.settings_check import config_texts, refuse_mistakes
    from scripts.stack_cost import of_stack
    from scripts.stack_files import read

    root = find_root(Path.cwd())
    read(root, stack)
    refuse_mistakes(root, stack)
    settings = parse(config_texts(root, stack), stack)
    market = Market()
    if not offline:
        with Steps(sys.stderr).step("prices, quotas") as step:
            market = _market(root, stack, settings)
            step.result = "; ".join(f"no {what}" for what in market.missing)
    found = of_stack(settings, market)
    if as_json:
        terminal.print_json(_document(stack, found, market))
    else:
        _show(stack, found, market)


def _market(root: Path, stack: str, settings: object) -> "Market":
    from infra.settings import StackSettings
    from infra.vcpu_quotas import needed
    from localcloud.environment import aws_environment
    from scripts.aws_prices import PRICING_REGION, ask
    from scripts.aws_session import Aws
    from scripts.stack_cost import demands, types_of
    from scripts.stack_target import running_cloud

    assert isinstance(settings, StackSettings)
    environ = aws_environment(running_cloud(root), os.environ) if stack == LOCAL_STACK else os.environ
    codes = [quota.code for quota in needed(demands(settings))]
    aws, pricing = Aws(environ, settings.region), Aws(environ, PRICING_REGION)
    return ask(aws, pricing, settings.region, types_of(settings), codes)


def _document(stack: str, found: "StackCost", market: "Market") -> dict[str, object]:
    idle, most = found.month_usd
    return {
        "stack": stack,
        "hourly_usd": {"idle": found.cost.idle_usd, "most": found.cost.most_usd, "most_at_spot": found.spot_usd},
        "monthly_usd": {"idle": idle, "most": most},
        "prices": found.prices,
        "lines": [asdict(each) for each in found.cost.lines],
        "unpriced": list(found.cost.unpriced),
        "types": [asdict(each) for each in found.types],
        "quotas": [
            {"code": each.quota.code, "name": each.quota.name, "market": each.quota.market, "needed_vcpus": each.needed}
            | {"limit_vcpus": each.limit, "enough": each.enough}
            for each in found.quotas
        ],
        "unknown": dict(market.missing),
    }


def _show(stack: str, found: "StackCost", market: "Market") -> None:
    from scripts import terminal

    lines = [[each.what[:60], f"{each.idle_usd:.3f}", f"{each.most_usd:.3f}"] for each in found.cost.lines]
    total = ["all of it", f"{found.cost.idle_usd:.3f}", f"{found.cost.most_usd:.3f}"]
    title = f"stack {stack}, USD an hour ({found.prices})"
    terminal.out().print(terminal.table("", "no node", "every group full", rows=[*lines, total], title=title))
    idle, most = found.month_usd
    terminal.say(f"\na month: ${idle:.2f} without a node, at most ${most:.2f}")
    if found.spot_usd is not None:
        terminal.say(f"full, at the spot prices of this moment: ${found.spot_usd:.2f} an hour")
    _show_types(found)
    _show_quotas(found)
    for what, why in market.missing.items():
        terminal.say(f"not known: {what}: {why}", style="yellow")


def _show_types(found: "StackCost") -> None:
    from scripts import terminal

    chosen = [each for each in found.types if each.chosen]
    others = [each for each in found.types if not each.chosen]
    others = [*(each for each in others if not each.why_not), *(each for each in others if each.why_not)]
    rows = [_type_row(each) for each in [*chosen, *others[:OTHERS_SHOWN]]]
    terminal.say()
    terminal.out().print(terminal.table("model", "type", "", "on demand", "spot", "zones", rows=rows))
    if len(others) > OTHERS_SHOWN:
        terminal.say(f"… and {len(others) - OTHERS_SHOWN} types more, with --json")


def _type_row(each: "TypeRow") -> list[str]:
    standing = "chosen" if each.chosen else each.why_not.split(";")[0] or "fits"
    prices = [f"{usd:.3f}" if usd else "?" for usd in (each.on_demand_usd, each.spot_usd)]
    return [each.model, each.type, standing, *prices, "?" if each.zones is None else ", ".join(each.zones)]


def _show_quotas(found: "StackCost") -> None:
    from scripts import terminal

    words = {True: "enough", False: "TOO LITTLE: ask for more under Service Quotas", None: "not known"}
    rows = [
        [each.quota.name, str(each.needed), "?" if each.limit is None else f"{each.limit:g}", words[each.enough]]
        for each in found.quotas
    ]
    terminal.say()
    terminal.out().print(terminal.table("quota", "vCPUs needed", "limit", "", rows=rows))
