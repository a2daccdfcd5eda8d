"""`warmfleet scaling`: what the planner did last and why; pause it, and let it go on."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="The planner: explain, pause, resume.", no_args_is_help=True)

Model = Annotated[str | None, typer.Option(metavar="NAME", help="Default: the stack's first model.")]
SILENT_SECONDS = 180.0


@app.command()
def explain(model: Model = None, stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Show the last plan: what was seen, what is wanted of each group and why, what is expected, what was refused.

    Example: warmfleet scaling explain --stack prod
    """
    from inference_service import contract
    from infra.planner.cloud import read_json
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.exit_codes import FAILED, CommandError

    name, bucket, s3 = _open(model, stack)
    with explained():
        document, _ = read_json(s3, bucket, contract.scaling_state_key(name))
    if document is None:
        raise CommandError(
            f"nobody has planned the fleet of {name} yet; `planner: true` in the stack's file and `pulumi up` begin "
            "it, and the first plan comes within a minute",
            FAILED,
        )
    told = document["told"]
    if as_json:
        terminal.print_json(told)
        return
    for line in in_words(told, time.time()):
        terminal.say(line)


@app.command()
def pause(model: Model = None, stack: StackOption = LOCAL_STACK) -> None:
    """Let the planner watch, and change nothing: the fleet keeps its size until `resume`.

    Example: warmfleet scaling pause --stack prod
    """
    _control(model, stack, paused=True)


@app.command()
def resume(model: Model = None, stack: StackOption = LOCAL_STACK) -> None:
    """Let the planner act again, and buy again what it had given up on after failed launches.

    Example: warmfleet scaling resume --stack prod
    """
    _control(model, stack, paused=False)


def in_words(told: "Mapping[str, Any]", now: float) -> list[str]:
    """The last plan, a line for each thing that a person asks."""
    seen, expected = told["observed"], told["expected"]
    age = max(0.0, now - told["at"])
    at = datetime.fromtimestamp(told["at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"planned {age:.0f} s ago, at {at}" + (", paused: nothing is changed" if told["paused"] else "")]
    if age > SILENT_SECONDS:
        lines[0] += "; it should be every minute: the planner's log group says why it is not"
    if told.get("serves", "an older planner does not say") is None:
        lines.append("no version of the model is active: nothing is bought; `warmfleet models activate` begins")
    offered, unit = seen["offered_tokens_per_second"], seen["replica_tokens_per_second"]
    if offered is None:
        gateways = told.get("gateways")  # an older planner does not count them
        who = f" from every gateway ({gateways['reporting']} of {gateways['in_service']} report)" if gateways else ""
        lines.append(f"demand: no figures of the last three minutes{who}; nothing is given up until there are")
    else:
        waiting = f"{seen['backlog_tokens']:.0f} tokens wait"
        lines.append(f"demand: {offered:.0f} tokens/s, {offered / unit:.1f} replicas; {waiting}")
    pools = {pool["name"]: pool for pool in seen["pools"]}
    for target in told["targets"]:
        pool = pools[target["pool"]]
        warming = len(pool["warming_ages_seconds"])
        lines.append(
            f"{target['pool']}: {target['desired']} wanted ({target['reason']}); "
            f"{pool['ready']} ready, {warming} warming, {pool['noticed']} newly under notice"
        )
    lines.append(
        f"in {expected['horizon_seconds']:.0f} s: demand {expected['demand_replicas']:.1f} replicas, "
        f"at most {expected['demand_p95_replicas']:.1f} in 19 of 20 cases; {expected['ready_replicas']:.1f} ready; "
        f"{100 * expected['shortfall_share']:.2f} % of the demand without a replica"
    )
    return [*lines, *(f"refused: {refusal}" for refusal in told["refusals"])]


def _control(model: str | None, stack: str, *, paused: bool) -> None:
    import json

    from inference_service import contract
    from scripts import terminal
    from scripts.aws_session import explained

    name, bucket, s3 = _open(model, stack)
    document = {"paused": True} if paused else {"paused": False, "resumed_at": time.time()}
    with explained():
        s3.put_object(
            Bucket=bucket,
            Key=contract.scaling_control_key(name),
            Body=json.dumps(document).encode(),
            ContentType="application/json",
        )
    terminal.say(f"scaling of {name} is {'paused' if paused else 'on'} from the planner's next minute")


def _open(model: str | None, stack: str) -> tuple[str, str, Any]:
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    return target.outputs.fleet(model).model, target.outputs.bucket, target.aws.client("s3")
