"""The environment of a stack that is not the local one: its backend and region, nothing else of the user's. Pure."""

from collections.abc import Mapping

from localcloud.environment import ShellChanges
from scripts.stack_files import StackFile
from scripts.state_backend import BACKEND_VARIABLE

SET_BY_US = "WARMFLEET_STACK_SET"  # the variables that `warmfleet env STACK` has set, so that they can be told apart


def own_backend(environ: Mapping[str, str]) -> str | None:
    """The backend that the user, or the local cloud's environment, has set; None when only we have.

    It is kept: Pulumi Cloud works too, and so does a stack that is tried out on the local cloud.
    """
    return None if BACKEND_VARIABLE in _set_by_us(environ) else environ.get(BACKEND_VARIABLE) or None


def entering(environ: Mapping[str, str], file: StackFile, backend_url: str | None) -> ShellChanges:
    """For `eval "$(warmfleet env STACK)"`. `backend_url` is None where the user's own stays.

    Both names of the region: not every SDK reads the shorter one.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    wanted = {"AWS_REGION": file.region, "AWS_DEFAULT_REGION": file.region}
    if backend_url is not None:
        wanted[BACKEND_VARIABLE] = backend_url
    wanted[SET_BY_US] = ":".join(sorted({*wanted, *_set_by_us(environ)}))
    return ShellChanges({name: value for name, value in wanted.items() if environ.get(name) != value}, ())


def leaving(environ: Mapping[str, str]) -> ShellChanges:
    """For `warmfleet env STACK --unset`: what we have set goes; profile, credentials and an own backend stay."""
    return ShellChanges({}, tuple(sorted({*_set_by_us(environ), SET_BY_US} & {*environ})))


def _set_by_us(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in environ.get(SET_BY_US, "").split(":") if name)
