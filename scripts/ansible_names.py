"""Writes ansible/group_vars/all/contract.yml: the names that playbooks share with the service.

Run it as `python -m scripts.ansible_names`. A test fails while the file is not what this writes.
"""

from pathlib import Path

from inference_service import contract

FILE = Path(__file__).resolve().parents[1] / "ansible" / "group_vars" / "all" / "contract.yml"
HEAD = "# Written by `python -m scripts.ansible_names` from inference_service/contract.py; edit that.\n"
# What a playbook reads, and nothing else.
NAMES = (
    "NAMESPACE_HOSTS",
    "PATH_HEALTH",
    "PATH_READY",
    "ROLE_GATEWAY",
    "ROLE_NODE",
    "VAR_BIND_ADDRESS",
    "VAR_ENGINE",
    "VAR_GATEWAY_PORT",
    "VAR_LOG_GROUP",
    "VAR_NODE_PORT",
    "VAR_SERVICE_VERSION",
)


def text() -> str:
    """The file's content."""
    return HEAD + "".join(f"contract_{name.lower()}: {getattr(contract, name)}\n" for name in NAMES)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
