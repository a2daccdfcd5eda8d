"""What the stack files Pulumi.<stack>.yaml say about where a stack lives: its region, and the accounts it may touch."""

import json
from dataclasses import dataclass
from pathlib import Path

from scripts.exit_codes import USAGE, CommandError
from scripts.root import LOCAL_STACK
from scripts.settings_check import config_texts

REGION = "aws:region"
ACCOUNTS = "aws:allowedAccountIds"
FIRST = "dev"  # the stack that a new account begins with


@dataclass(frozen=True)
class StackFile:
    """The region of a stack and its account guard; an empty guard allows nothing."""

    stack: str
    region: str
    accounts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"Pulumi.{self.stack}.yaml"


def known(root: Path) -> tuple[str, ...]:
    """The stacks that have a file, the local one too; the one to begin with comes first."""
    names = [path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.?*.yaml")]
    return tuple(sorted(names, key=lambda name: (name != FIRST, name)))


def read(root: Path, stack: str) -> StackFile:
    """The file of `stack`.

    Raises:
        CommandError: there is none, with those that there are; or it cannot be read, or has no region.
    """
    if stack not in known(root):
        there = ", ".join(known(root)) or "none"
        raise CommandError(f"no file Pulumi.{stack}.yaml in {root}; there are files for: {there}", USAGE)
    texts = config_texts(root, stack)
    region = texts.get(REGION, "").strip()
    if not region:
        raise CommandError(
            f"Pulumi.{stack}.yaml has no {REGION}; add `{REGION}: us-east-1`, or where you want it", USAGE
        )
    return StackFile(stack, region, _accounts(texts.get(ACCOUNTS, "")))


def read_all(root: Path) -> tuple[StackFile, ...]:
    """Every stack's file that has a region, but the local one's."""
    files = (_file(root, stack) for stack in known(root) if stack != LOCAL_STACK)
    return tuple(file for file in files if file.region)


def refuse_other_account(file: StackFile, account: str) -> None:
    """Return if the stack may live in `account`.

    Raises:
        CommandError: it may not; nothing was changed.
    """
    if account in file.accounts:
        return
    allowed = ", ".join(file.accounts) or "none"
    raise CommandError(
        f"your credentials are of account {account}, but {ACCOUNTS} in {file.name} allows {allowed}: "
        f"choose other credentials with AWS_PROFILE, or put '{account}' there"
    )


def _file(root: Path, stack: str) -> StackFile:
    texts = config_texts(root, stack)
    return StackFile(stack, texts.get(REGION, "").strip(), _accounts(texts.get(ACCOUNTS, "")))


def _accounts(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text) if text else []
    except ValueError:
        value = text
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)
