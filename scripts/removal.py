"""Takes the local cloud away again: its resources, its processes, its files."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from localcloud import control
from localcloud.places import Places
from scripts.exit_codes import CommandError
from scripts.local_stack import Backend, Found, command_lock
from scripts.progress import Step, Steps
from scripts.root import LOCAL_STACK, bundle_folder
from scripts.stack_target import find_cli, pulumi_for


def remove(root: Path, steps: Steps, environ: Mapping[str, str]) -> bool:
    """Remove everything that `up` made on this machine; whether there was anything.

    The resources exist in the local cloud's memory alone: a failing destroy is reported after all else is gone.

    Raises:
        CommandError: another command is at work, or deleting the resources failed.
    """
    folder, bundle = Places.of(root).folder, bundle_folder(root)
    if not folder.exists() and not bundle.exists():
        with contextlib.suppress(control.LocalCloudError):
            control.stop(root, report=lambda _: None)  # of a cloud whose folder somebody has removed
        return False
    problem: str | None = None
    with command_lock(root):
        if cloud := control.running(root):
            problem = _destroy(root, cloud, environ, steps)
        with steps.step("local cloud") as step:
            _stop(root, step)
        with steps.step("files") as step:
            removed = [path for path in (folder, bundle) if path.exists()]
            for path in removed:
                shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                bundle.parent.rmdir()
            step.result = "removed " + ", ".join(str(path.relative_to(root.resolve())) for path in removed)
    if problem:
        raise CommandError(f"everything is removed, but deleting the resources one by one had failed:\n{problem}")
    return True


def _destroy(root: Path, cloud: control.CloudState, environ: Mapping[str, str], steps: Steps) -> str | None:
    """Delete the stack's resources through the CLI; why that failed, if it did."""
    backend = Backend(Places.of(root))
    if backend.compare(cloud.run_id) is Found.OTHER_RUN or not backend.exists():
        return None
    try:
        with steps.step("destroy") as step:
            pulumi = pulumi_for(root, cloud, environ, find_cli(root, environ, step.say))
            if backend.left_locked(step.say):
                pulumi.cancel(LOCAL_STACK)
            step.result = pulumi.destroy(LOCAL_STACK, step.say).result()
    except CommandError as error:
        return str(error)
    return None


def _stop(root: Path, step: Step) -> None:
    try:
        control.stop(root, report=step.say)
    except control.LocalCloudError as error:
        raise CommandError(str(error)) from error
    step.result = "ended"
