"""The second half of `up`: publish a model, activate it, wait for its first warm node, ask it a question."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_service import contract
from inference_service.artifacts import ArtifactStore, Manifest, PublishProgress, PublishResult, activate, publish
from scripts.aws_session import explained
from scripts.exit_codes import CommandError
from scripts.fleet_reading import Reading, read
from scripts.fleet_state import LEAVING, FleetState, Node, Trouble, waiting_for, why_missing
from scripts.gateway_client import Answer, GatewayError, Question, ask
from scripts.progress import Step, Steps
from scripts.promotion import promoter_store
from scripts.stack_target import StackTarget
from scripts.wake import in_words as woken_in_words
from scripts.wake import wake

POLL_SECONDS = 0.3
STUCK_SECONDS = 20.0  # so long may the local cloud be in trouble, or every node refuse, before waiting is pointless
WARMING_UP = (contract.STATE_DOWNLOADING, contract.STATE_LOADING, contract.STATE_WARMING)
QUESTION = "In one sentence: what is a load balancer?"
MOST_TOKENS = 64


@dataclass(frozen=True)
class Active:
    """The version that the model's pointer names."""

    manifest: Manifest
    manifest_sha256: str


def serve(target: StackTarget, model: str, weights: Path, steps: Steps) -> tuple[Active, list[str]]:
    """Publish `weights` as `model`; activate them unless a version is active, and wake the fleet.

    Returns what is active now, and what had to be done for it (empty: nothing).

    Raises:
        CommandError, ArtifactError: with the reason and the remedy.
    """
    store = ArtifactStore(target.aws.client("s3"), target.outputs.bucket)
    done = []
    with steps.step("publish") as step, explained():
        published = publish(store, model, [weights], progress=lambda progress: step.say(in_words(progress)))
        step.result = f"{news(published)}{model} {published.version}"
        done += ["published"] if published.created else [f"repaired {path}" for path in published.repaired]
    with steps.step("activate") as step, explained():
        before = store.read_pointer(model)
        pointer = before[0] if before else activate(promoter_store(target), model, published.version)
        woken = wake(target.aws.client("autoscaling"), target.outputs.fleet(model))
        step.result = f"{'no change, ' if before and not woken else ''}{pointer.current.version}"
        step.result += f"; {woken_in_words(woken)}" if woken else ""
        done += ["activated"] if not before else []
        done += ["woken"] if woken else []
        manifest = store.manifest_for(model, pointer.current)
    return Active(manifest, pointer.current.manifest_sha256), done


def replace_hopeless(target: StackTarget, model: str) -> list[str]:
    """Have Auto Scaling replace instances that need it: they would try again only after minutes, or never.

    These are nodes that say why they cannot serve (what they refused may just have been published again), and instances
    of any group of the stack whose service has crashed until the local cloud gave it up. Returns their ids.
    """
    with explained():
        reading, autoscaling = read(target), target.aws.client("autoscaling")
        refusing = [node.instance_id for node in reading.fleet(model).nodes if refuses(node)]
        hopeless = list(dict.fromkeys([*refusing, *given_up(autoscaling, reading.troubles)]))
        for instance_id in hopeless:
            autoscaling.terminate_instance_in_auto_scaling_group(
                InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
            )
    return hopeless


def given_up(autoscaling: Any, troubles: Iterable[Trouble]) -> list[str]:
    """Of the resources in trouble those that are instances of a group."""
    ids = [trouble.resource for trouble in troubles if trouble.resource.startswith("i-")]
    if not ids:
        return []
    described = autoscaling.describe_auto_scaling_instances(InstanceIds=ids)["AutoScalingInstances"]
    return [each["InstanceId"] for each in described if not each["LifecycleState"].startswith(LEAVING)]


def refuses(node: Node) -> bool:
    """Whether a node that stays says itself why it does not become ready."""
    return bool(node.error and node.state in WARMING_UP and not node.leaving)


def news(published: PublishResult) -> str:
    """What a publication has changed, where that is not all of it; ends with a comma."""
    if published.repaired:
        return f"put back what the bucket lacked or held altered ({', '.join(published.repaired)}), "
    return "" if published.created else "no change, "


def in_words(progress: PublishProgress) -> str:
    """How far a publication is."""
    doing = {"hash": "hashing", "upload": "uploading"}[progress.phase]
    percent = 100 * progress.done_bytes // max(1, progress.total_bytes)
    return f"{doing} {progress.path}: {percent} % of {progress.total_bytes / 1e6:.0f} MB"


def wait_until_warm(
    target: StackTarget,
    model: str,
    step: Step,
    *,
    wait_seconds: float,
    look: Callable[[StackTarget], Reading] = read,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Node:
    """A node that serves the model's current version, as the gateway sees it.

    Raises:
        CommandError: none within `wait_seconds`, or nothing that waiting would help; with every known reason.
    """
    started, stuck_since = clock(), None
    while True:
        with explained():
            reading = look(target)
        fleet = reading.fleet(model)
        if fleet.warm and not reading.silence:
            step.result = fleet.warm.words()
            return fleet.warm
        step.say(waiting_for(fleet, reading.silence))
        stuck_since = (stuck_since or clock()) if stuck(reading, fleet) else None
        waited = clock() - started
        if waited > wait_seconds or (stuck_since and clock() - stuck_since > STUCK_SECONDS):
            raise CommandError(_not_warm(reading, fleet, waited))
        sleep(POLL_SECONDS)


def stuck(reading: Reading, fleet: FleetState) -> bool:
    """Whether only a person can help: something of the local cloud cannot run, or every node says what is wrong."""
    staying = [node for node in fleet.nodes if not node.leaving]
    return bool(reading.troubles) or bool(staying and all(refuses(node) for node in staying))


def _not_warm(reading: Reading, fleet: FleetState, waited: float) -> str:
    reasons = why_missing(fleet, reading.silence, reading.troubles)
    lines = "\n".join(f"  - {reason}" for reason in reasons) or "  - no reason is known"
    logs = ", ".join(f"`warmfleet logs {node.instance_id}`" for node in fleet.nodes) or "`warmfleet logs daemon`"
    return f"no node of {fleet.model} is warm after {waited:.0f} s:\n{lines}\nmore: {logs}, `warmfleet status`"


def ask_it(url: str, model: str, show: Callable[[str], None], wait_seconds: float, key: str) -> Answer:
    """The question of `up`, answered token by token.

    Raises:
        GatewayError: refused, broken off, or an empty answer.
    """
    answer = ask(url, Question(model, QUESTION, wait_seconds, MOST_TOKENS), show, key=key)
    if not answer.text.strip():
        raise GatewayError("the answer is empty; `warmfleet logs` has what node and gateway say")
    return answer
