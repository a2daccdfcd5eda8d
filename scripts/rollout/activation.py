"""Activates a version on a stack: at once while no node serves, else by a rollout in waves."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from inference_service.artifacts import ArtifactError, ArtifactStore, Pointer, VersionRef, activate, published
from scripts import gateway_client
from scripts.aws_session import explained
from scripts.exit_codes import CommandError
from scripts.fleet_state import LEAVING
from scripts.gateway_client import Address, GatewayError
from scripts.gateway_route import route
from scripts.progress import Steps
from scripts.promotion import promoter_store
from scripts.rollout.drive import Rollout, Wave
from scripts.rollout.history import begin
from scripts.rollout.member import Member, members
from scripts.rollout.opening import Opening, needs_nodes, opening, refuse_two_at_once
from scripts.stack_outputs import FleetOutputs
from scripts.stack_target import StackTarget


@dataclass(frozen=True)
class Activated:
    """The pointer as it is now, and the waves that led to it; none where the switch was at once."""

    pointer: Pointer
    waves: tuple[Wave, ...] = ()


@dataclass
class BucketPointers:
    """The pointer in the model bucket: read with one's own permissions, written by the promoter role."""

    store: ArtifactStore
    model: str
    known: tuple[Pointer, str]
    writer: Callable[[], ArtifactStore]

    def read(self) -> Pointer:
        self.known = self._present(self.store.reread_pointer(self.model, self.known))
        return self.known[0]

    def write(self, pointer: Pointer) -> None:
        """Takes the role on for each write: its credentials last a quarter of an hour, a rollout may take longer."""
        self.writer().write_pointer(self.model, pointer, self.known[1])
        self.known = self._present(self.store.read_pointer(self.model))

    def _present(self, read: tuple[Pointer, str] | None) -> tuple[Pointer, str]:
        if read is None:
            raise ArtifactError(f"the pointer of {self.model} was deleted; `warmfleet models activate` makes a new one")
        return read


def activate_on(target: StackTarget, model: str, version: str, steps: Steps) -> Activated:
    """Let the nodes of `model` serve `version`.

    Raises:
        CommandError: the version served so far stays; with node, cause and remedy.
        ArtifactError: no such version, or the bucket cannot be read.
    """
    fleet = target.outputs.fleet(model)  # before anything is written: nobody would serve another name
    store = ArtifactStore(target.aws.client("s3"), target.outputs.bucket)
    reference, read = published(store, model, version), store.read_pointer(model)
    pointer = read[0] if read else None
    refuse_two_at_once(model, pointer, reference)
    with explained():
        instances = running(target.aws.client("autoscaling"), fleet)
    if read is None or not needs_nodes(pointer, reference, instances):
        return Activated(activate(promoter_store(target), model, version))
    with route(target, steps) as via:
        nodes = _nodes(target, model, via)
        if opening(pointer, reference, nodes) is Opening.AT_ONCE:
            return Activated(activate(promoter_store(target), model, version))
        pointers = BucketPointers(store, model, read, lambda: promoter_store(target))
        history = begin(time.monotonic(), _size_ratio(store, model, reference, read[0]))
        look = partial(gateway_client.nodes, target.outputs.gateway_url, via)
        rollout = Rollout(model, reference, read[0], pointers, look, history, steps)
        return Activated(rollout.run(), tuple(rollout.waves))


def running(autoscaling: Any, fleet: FleetOutputs) -> int:
    """How many instances the model's groups have that are not on their way out."""
    answer = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(fleet.groups))
    instances = [each for group in answer["AutoScalingGroups"] for each in group["Instances"]]
    return sum(not each["LifecycleState"].startswith(LEAVING) for each in instances)


def _nodes(target: StackTarget, model: str, via: Address | None) -> tuple[Member, ...]:
    try:
        return members(gateway_client.nodes(target.outputs.gateway_url, via), model)
    except GatewayError as error:
        silence = str(error).partition("; `warmfleet status`")[0]
        raise CommandError(
            f"{model} has instances, but whether they serve cannot be seen ({silence}); nothing was changed. "
            f"`warmfleet status --stack {target.name}` says what is missing; `models rollback` needs no gateway"
        ) from error


def _size_ratio(store: ArtifactStore, model: str, version: VersionRef, pointer: Pointer) -> float:
    """How much longer than the current version the other one may take; 1 where that cannot be told."""
    try:
        sizes = [store.manifest(model, each.version).total_bytes for each in (version, pointer.current)]
    except ArtifactError:
        return 1.0
    return sizes[0] / max(1, sizes[1])
