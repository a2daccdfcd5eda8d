"""The environment in which AWS SDKs and the Pulumi CLI talk to the local cloud, and to nothing else."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.cloud_state import REGION, CloudState
from localcloud.hosts.network import connections_of
from localcloud.places import Places

LANGUAGE_HOST = "pulumi-language-python"
PATH_ADDED = "WARMFLEET_PATH_ADDED"  # what `warmfleet env` put into PATH, so that `--unset` can take it out again
NO_FILE = "/dev/null"
FOR_ANSIBLE = (
    "ANSIBLE_SSH_ARGS",
    "ANSIBLE_PRIVATE_KEY_FILE",
    "ANSIBLE_SSH_CONTROL_PATH_DIR",
)  # what `warmfleet env` sets where instances are hosts


@dataclass(frozen=True)
class ShellChanges:
    """What a shell has to export and to unset."""

    export: dict[str, str]
    unset: tuple[str, ...]


def leads_elsewhere(name: str) -> bool:
    """Whether a variable could send an AWS or Pulumi call to a real account, with credentials or through a proxy."""
    return name.startswith(("AWS_", "PULUMI_")) or name == "BOTO_CONFIG" or name.upper().endswith("_PROXY")


def without_outside(base: Mapping[str, str]) -> dict[str, str]:
    """`base` with no way out: no profile, credentials, backend or proxy of the user is left, in files neither."""
    kept = {name: value for name, value in base.items() if not leads_elsewhere(name)}
    return kept | {
        # Without these every SDK would read ~/.aws, and botocore ~/.boto as well.
        "AWS_CONFIG_FILE": NO_FILE,
        "AWS_SHARED_CREDENTIALS_FILE": NO_FILE,
        "BOTO_CONFIG": NO_FILE,
        "NO_PROXY": "127.0.0.0/8,localhost",
        "no_proxy": "127.0.0.0/8,localhost",
    }


def aws_environment(state: CloudState, base: Mapping[str, str]) -> dict[str, str]:
    """`base` for programs that call the local AWS from outside its instances; the keys are made up."""
    return without_outside(base) | {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def pulumi_environment(state: CloudState, root: Path, base: Mapping[str, str], cli_dir: Path) -> dict[str, str]:
    """`aws_environment` and what the Pulumi CLI needs to use the local backend and provider.

    Args:
        cli_dir: the folder of the `pulumi` executable that shall be found first.
    """
    places = Places.of(root)
    return aws_environment(state, base) | {
        "PULUMI_BACKEND_URL": f"file://{places.pulumi_backend}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_HOME": str(places.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_PROVIDERS": f"aws:{state.provider_port}",
        "PULUMI_LANGHOST_PYTHON": sys.executable,
        "PATH": _path(base.get("PATH", os.defpath), cli_dir),
        **(_ansible_environment(state.namespace, places) if state.namespace else {}),
    }


def _ansible_environment(namespace: str, places: Places) -> dict[str, str]:
    """How ssh reaches hosts: in their network namespace, which nothing leaves, so that their keys need not be known."""
    way = f"{sys.executable} -m localcloud.hosts.connect {namespace} %h %p"
    options = ["ControlMaster=auto", "ControlPersist=60s", "StrictHostKeyChecking=no", f"UserKnownHostsFile={NO_FILE}"]
    options += ["LogLevel=ERROR", "ProxyUseFdpass=yes", f"ProxyCommand={way}"]
    arguments = " ".join(f"-o {shlex.quote(each)}" for each in options)
    return dict(zip(FOR_ANSIBLE, (arguments, str(places.ssh_key), str(connections_of(namespace))), strict=True))


def entering(state: CloudState, root: Path, base: Mapping[str, str], cli_dir: Path) -> ShellChanges:
    """For `eval "$(warmfleet env)"`: turns the shell with the environment `base` into the local cloud's."""
    wanted = pulumi_environment(state, root, base, cli_dir)
    before = _entries(base.get("PATH", ""))
    added = [entry for entry in _entries(wanted["PATH"]) if entry not in before]
    wanted[PATH_ADDED] = os.pathsep.join(dict.fromkeys([*_entries(base.get(PATH_ADDED, "")), *added]))
    export = {name: value for name, value in wanted.items() if base.get(name) != value}
    return ShellChanges(export, tuple(sorted(name for name in base if name not in wanted)))


def leaving(base: Mapping[str, str]) -> ShellChanges:
    """For `eval "$(warmfleet env --unset)"`. What `entering` dropped of the user's own is not brought back."""
    added = _entries(base.get(PATH_ADDED, ""))
    path = os.pathsep.join(entry for entry in _entries(base.get("PATH", "")) if entry not in added)
    unset = sorted(name for name in base if leads_elsewhere(name) or name in (PATH_ADDED, *FOR_ANSIBLE))
    return ShellChanges({"PATH": path}, tuple(unset))


def language_host_folder() -> Path:
    """Where our stand-in for Pulumi's Python language host is."""
    return Path(__file__).resolve().parent / "language_host" / "bin"


def _path(before: str, cli_dir: Path) -> str:
    own = (str(cli_dir), str(language_host_folder()))
    entries = [str(cli_dir), *(entry for entry in _entries(before) if entry not in own)]
    if shutil.which(LANGUAGE_HOST, path=os.pathsep.join(entries)) is None:
        entries.append(str(language_host_folder()))
    return os.pathsep.join(entries)


def _entries(path: str) -> list[str]:
    return [entry for entry in path.split(os.pathsep) if entry]
