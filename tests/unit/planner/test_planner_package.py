"""What is deployed is what was simulated: the very files, and nothing needed but the runtime's boto3."""

import inspect
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import boto3

from infra.components.planner import HANDLER, PACKAGE
from scripts import packages, planner_zip
from scripts.root import bundle_folder
from scripts.service_bundle import MANIFEST
from scripts.simulator.policies import OURS, POLICIES

ROOT = Path(__file__).resolve().parents[3]
MOST_BYTES = 200_000


def test_the_simulated_planner_is_the_deployed_one_byte_for_byte() -> None:
    packed = zipfile.ZipFile(BytesIO(planner_zip.content(ROOT)))
    simulated = Path(inspect.getsourcefile(POLICIES[OURS]) or "")
    assert packed.read(str(simulated.relative_to(ROOT))) == simulated.read_bytes()
    beside = {path.name for path in simulated.parent.glob("*.py")}
    assert {Path(name).name for name in packed.namelist() if name.startswith("infra/planner/")} == beside


def test_the_same_sources_make_the_same_small_package(tmp_path: Path) -> None:
    first, second = planner_zip.content(ROOT), planner_zip.content(ROOT)
    assert first == second
    assert len(first) < MOST_BYTES
    assert planner_zip.write(ROOT, tmp_path).name == PACKAGE == planner_zip.NAME


def test_the_handler_starts_from_the_package_with_boto3_alone(tmp_path: Path) -> None:
    package = planner_zip.write(ROOT, tmp_path)
    site = Path(boto3.__file__).parents[1]
    module, function = HANDLER.rsplit(".", 1)
    program = (
        f"import sys; sys.path[:0] = [{str(package)!r}]; sys.path.append({str(site)!r})\n"
        f"import importlib; assert callable(getattr(importlib.import_module({module!r}), {function!r}))\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules if getattr(sys.modules[name], '__file__', None)"
        f" and ({str(site)!r} in sys.modules[name].__file__ or {str(package)!r} in sys.modules[name].__file__)}}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    runtime = {"boto3", "botocore", "certifi", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
    assert set(done.stdout.split()) <= runtime | {"infra", "inference_service"}


def test_what_a_stack_takes_is_there_only_with_the_package(tmp_path: Path) -> None:
    folder = bundle_folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")
    assert not packages.built(tmp_path)
    planner_zip.write(ROOT, folder)
    assert packages.built(tmp_path)
