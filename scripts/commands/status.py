"""`warmfleet status`: groups, nodes, versions, and in words why a node is missing."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inference_service import contract
from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.fleet_reading import Reading
    from scripts.fleet_state import FleetState, Node


def status(stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Show groups, nodes, their states and versions, and why a node is missing.

    Exit code 0 also when nodes are missing: the fleet may be on its way.

    Example: warmfleet status
    """
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.fleet_reading import read
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    with explained():
        reading = read(target)
    if as_json:
        terminal.print_json({"stack": stack, "gateway_url": target.outputs.gateway_url, **document(reading)})
        return
    terminal.say(f"gateway  {target.outputs.gateway_url}" + ("" if reading.silence is None else "  (gives no report)"))
    if reading.gateway_group:
        group = reading.gateway_group
        terminal.say(f"         {group.name}: {group.in_service} of {group.desired} in service")
    for fleet in reading.fleets:
        _show(fleet, reading)


def document(reading: "Reading") -> dict[str, Any]:
    """The reading for programs."""
    from scripts.fleet_state import why_missing

    return {
        "gateway": {
            "group": asdict(reading.gateway_group) if reading.gateway_group else None,
            "silence": reading.silence,
        },
        "fleets": [
            {
                "model": fleet.model,
                "current": fleet.current,
                "previous": fleet.previous,
                "candidate": fleet.candidate,
                "wave_percent": fleet.wave_percent,
                "groups": [asdict(group) for group in fleet.groups],
                "nodes": [asdict(node) for node in fleet.nodes],
                "refusals": list(fleet.refusals),
                "missing": why_missing(fleet, reading.silence, reading.troubles),
            }
            for fleet in reading.fleets
        ],
        "problems": [asdict(trouble) for trouble in reading.troubles],
    }


def _show(fleet: "FleetState", reading: "Reading") -> None:
    from scripts import terminal
    from scripts.fleet_state import why_missing

    terminal.say()
    terminal.say(f"model    {fleet.model}", style="bold")
    previous = f"; before: {fleet.previous}" if fleet.previous else ""
    terminal.say(f"active   {fleet.current or 'none'}{previous}")
    if fleet.candidate:
        terminal.say(f"rollout  {fleet.candidate} has reached {fleet.wave_percent} %")
    rows = [
        [group.market, group.name, f"{group.in_service} of {group.desired}", f"0 to {group.most}"]
        for group in fleet.groups
    ]
    if rows:
        terminal.out().print(terminal.table("group", "name", "in service", "bounds", rows=rows))
    if fleet.nodes:
        terminal.say()
        terminal.out().print(terminal.table(*NODE_COLUMNS, rows=[_row(node) for node in fleet.nodes]))
    for node in fleet.nodes:
        if phases := warm_up(node):
            terminal.say(f"warm-up  {node.instance_id}: {phases}")
    for reason in why_missing(fleet, reading.silence, reading.troubles):
        terminal.say(f"  - {reason}", style="yellow")


NODE_COLUMNS = ("node", "type", "market", "zone", "lifecycle", "state", "version")


def _row(node: "Node") -> list[str]:
    version = node.version or "-"
    return [node.instance_id, node.instance_type, node.market, node.zone, node.lifecycle, node.doing(), version]


def warm_up(node: "Node") -> str:
    """The node's phases in seconds, as far as they are over."""
    known = ((phase, node.warm_up_seconds.get(phase)) for phase in contract.WARM_UP_PHASES)
    return ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in known if seconds is not None)
