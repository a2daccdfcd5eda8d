"""What the Pulumi program takes from build/service, made together: the service bundle and the planner's package."""

from collections.abc import Mapping
from pathlib import Path

from scripts import planner_zip, service_bundle
from scripts.root import bundle_folder
from scripts.service_wheels import Report


def build(root: Path, *, report: Report, environ: Mapping[str, str] | None = None) -> str:
    """Make sure that both are there, of the sources in `root`; the bundle's version. Raises BundleError."""
    folder = bundle_folder(root)
    version = service_bundle.build(root, folder, report=report, environ=environ)
    planner_zip.write(root, folder)
    return version


def built(root: Path) -> bool:
    """Whether both are there, of whatever sources."""
    return all((bundle_folder(root) / name).is_file() for name in (service_bundle.MANIFEST, planner_zip.NAME))
