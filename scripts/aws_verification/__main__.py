"""`make verify-aws ACCOUNT=…`: the day-one path on a real AWS account, with CPU nodes. It costs money.

Makes the stack `verify` from Pulumi.dev.yaml, publishes the small model, asks it, records how AWS answers (shapes,
no values) in tests/aws/recorded, and removes everything, also after a failure or Ctrl-C. If that is cut off too: the
state is in build/verify-aws, and the same command begins by removing what is left.

Example: make verify-aws ACCOUNT=111122223333
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from infra.hourly_cost import estimate
from infra.order import order
from infra.settings import parse
from scripts import terminal
from scripts.aws_session import Aws
from scripts.aws_verification.preflight import refuse_unready
from scripts.aws_verification.walk import STACK, Walk
from scripts.default_model import default_model
from scripts.exit_codes import FAILED, INTERRUPTED, OK, USAGE, CommandError
from scripts.progress import Steps
from scripts.pulumi_cli import find
from scripts.pulumi_runs import Pulumi
from scripts.root import find_root
from scripts.settings_check import config_texts
from scripts.stack_files import read

SILENCE_SECONDS = 1200.0  # a load balancer or NAT gateway takes minutes, of which the CLI says nothing
MINUTES = 40  # about what the path takes


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 walked and removed, 1 failed, 64 not confirmed, 130 interrupted; removed in each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--account", required=True, help="the account that is meant, 12 digits")
    given = parser.parse_args(arguments)
    try:
        verify(find_root(Path.cwd()), given.account, os.environ)
    except CommandError as error:
        terminal.say_error(str(error))
        return error.exit_code or FAILED
    except KeyboardInterrupt:
        terminal.say_error("interrupted")
        return INTERRUPTED
    return OK


def verify(root: Path, account: str, environ: Mapping[str, str]) -> None:
    """Look, ask, walk. Raises CommandError."""
    dev = read(root, "dev")
    aws = Aws(environ, dev.region)
    pulumi = find("pulumi", ["version"], environ)
    refuse_unready(environ, pulumi, aws, account)
    assert pulumi is not None  # or it would have been refused
    confirm(costs(root), account, sys.stdin, terminal.say)
    state = root / "build" / "verify-aws"
    state.mkdir(parents=True, exist_ok=True)
    own = {**environ, "AWS_REGION": dev.region, "PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": ""}
    walk = Walk(
        root=root,
        account=account,
        weights=default_model(),
        pulumi=Pulumi(pulumi.path, root, own, SILENCE_SECONDS),
        warmfleet=command(root, own),
        aws=aws,
        recorded=root / "tests" / "aws" / "recorded",
        steps=Steps(sys.stderr),
    )
    if walk.stack_file.exists():
        terminal.say(f"{walk.stack_file.name} is there: an earlier run was cut off, and is removed first")
        walk.back()
    walk.run()


def costs(root: Path) -> str:
    """One line on money, from the same prices as the output hourlyUsd."""
    settings = parse(config_texts(root, "dev"), "dev")
    cost = estimate(order(settings))
    node = max(line.most_usd for line in cost.lines)
    most = settings.models[0].most_spot_nodes + settings.models[0].most_on_demand_nodes
    about = (cost.idle_usd + node / most) * MINUTES / 60
    return f"about ${about:.2f} for {MINUTES} minutes, at most ${cost.most_usd:.2f} an hour ({cost.note})"


def confirm(price: str, account: str, answers: TextIO, say: Callable[[str], None]) -> None:
    """Return if a person has typed the account's number. Raises CommandError."""
    say(f"This makes the stack `{STACK}` in account {account} and removes it again: {price}.")
    say("Type the account's number to begin:")
    if answers.readline().strip() != account:
        raise CommandError("not confirmed; nothing was made", USAGE)


def command(root: Path, environ: Mapping[str, str]) -> Callable[[Sequence[str]], str]:
    """Runs `warmfleet`; its progress is shown as it comes."""

    def run(arguments: Sequence[str]) -> str:
        line = [sys.executable, "-m", "scripts.cli", *arguments]
        done = subprocess.run(line, cwd=root, env=dict(environ), stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(f"warmfleet {' '.join(arguments)} ended with status {done.returncode}")
        return done.stdout

    return run


if __name__ == "__main__":
    sys.exit(main())
