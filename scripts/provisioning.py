"""The first half of `up`: everything that has to exist before a model can be published. Each step can be repeated."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud import control
from localcloud.cloud_state import HOSTS
from localcloud.places import Places
from scripts import packages
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.hosts import hosts_base, provide_key_pair, wants_hosts
from scripts.local_stack import Backend, Found
from scripts.progress import Step, Steps
from scripts.pulumi_runs import Pulumi
from scripts.root import LOCAL_STACK, bundle_folder
from scripts.service_bundle import ARCHIVE, BundleError
from scripts.stack_outputs import parse
from scripts.stack_target import StackTarget, find_cli, pulumi_for


@dataclass(frozen=True)
class Provisioned:
    """The local stack as it stands now; `changes` counts resources that this run created or changed."""

    target: StackTarget
    changes: int


def provision(root: Path, steps: Steps, environ: Mapping[str, str], nodes: str | None = None) -> Provisioned:
    """Make or bring up to date: Pulumi CLI, service bundle, local cloud, stack.

    Args:
        nodes: what instances are, PROCESSES or HOSTS of localcloud.cloud_state; None: as they are, or processes.

    Raises:
        CommandError: a step cannot be done, with the reason and the remedy; the same command may be run again.
    """
    hosts = wants_hosts(root, nodes)
    with steps.step("Pulumi CLI") as step:
        cli = find_cli(root, environ, step.say)
        step.result = str(cli)
    with steps.step("service bundle") as step:
        step.result = _bundle(root, environ, step)
    with steps.step("local cloud") as step:
        cloud, notes = _cloud(root, environ, step, hosts_base(environ, step.say) if hosts else None)
        step.result = "; ".join([*notes, f"AWS at {cloud.endpoint_url}"])
    pulumi = pulumi_for(root, cloud, environ, cli)
    if hosts:
        provide_key_pair(root, Aws(pulumi.environ, cloud.region).client("ec2"))
    with steps.step("provision") as step:
        return _stack(root, pulumi, cloud, step)


def _bundle(root: Path, environ: Mapping[str, str], step: Step) -> str:
    folder = bundle_folder(root)
    before = _written(folder / ARCHIVE)
    try:
        version = packages.build(root, report=step.say, environ=environ)
    except BundleError as error:
        raise CommandError(str(error)) from error
    known = "no change, " if before is not None and _written(folder / ARCHIVE) == before else ""
    return f"{known}version {version[:12]}"


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _cloud(
    root: Path, environ: Mapping[str, str], step: Step, base: Path | None
) -> tuple[control.CloudState, list[str]]:
    """The running cloud, and what there is to say about it."""
    backend = Backend(Places.of(root))
    running, notes = control.running(root), list[str]()
    try:
        if running:
            backend.left_locked(step.say)
        if running and backend.half_done():
            notes.append("an earlier run was killed while it made resources: building anew")
            step.say(notes[-1])
            control.stop(root, report=step.say)
            running = None
        if running is None:
            _remove_old_instances(Places.of(root))
        cloud = control.start(root, report=step.say, environ=environ, hosts_base=base)
    except control.LocalCloudError as error:
        raise CommandError(str(error)) from error
    if running:
        notes.append("runs already")
    if cloud.nodes == HOSTS:
        notes.append("instances are hosts")
    if backend.compare(cloud.run_id) is Found.OTHER_RUN or (
        not running and backend.compare(cloud.run_id) is Found.UNKNOWN
    ):
        notes.append("the local cloud of the last time has ended, and with it what was built there: building anew")
        backend.drop()
    return cloud, notes


def _remove_old_instances(places: Places) -> None:
    """Instances that ended with their cloud cannot come back; their copies of the model fill the disk."""
    for data in places.instances.glob("*/data"):
        shutil.rmtree(data, ignore_errors=True)


def _stack(root: Path, pulumi: Pulumi, cloud: control.CloudState, step: Step) -> Provisioned:
    backend = Backend(Places.of(root))
    refresh = backend.compare(cloud.run_id) is Found.UNKNOWN
    backend.record(cloud.run_id)
    if backend.left_locked(step.say):
        step.say("removing the lock of a run that was killed")
        pulumi.cancel(LOCAL_STACK)
    pulumi.select(LOCAL_STACK)
    update = pulumi.up(LOCAL_STACK, step.say, refresh=refresh)
    step.result = update.result()
    outputs = parse(update.outputs or pulumi.outputs(LOCAL_STACK), LOCAL_STACK)
    target = StackTarget(root, LOCAL_STACK, pulumi, outputs, Aws(pulumi.environ, outputs.region), cloud)
    return Provisioned(target, update.changes)
