"""Whose account this is, and whether its state bucket is there."""

from typing import Any

from scripts.aws_session import Aws, explained
from scripts.exit_codes import CommandError
from scripts.state_backend import StateBackend
from scripts.state_bucket import StateBucket


def backend_of_caller(aws: Aws, region: str) -> StateBackend:
    """The backend of the account that the credentials belong to.

    Raises:
        CommandError: no credentials, or AWS refuses them.
    """
    with explained():
        caller: Any = aws.client("sts").get_caller_identity()
    return StateBackend(str(caller["Account"]), region, str(caller["Arn"]).split(":")[1])


def refuse_missing(aws: Aws, backend: StateBackend) -> None:
    """Return if the bucket is there. The CLI itself cannot check whose bucket it writes the state to.

    Raises:
        CommandError: there is none yet, or it is another account's.
    """
    with explained():
        there = StateBucket(aws.client("s3"), backend).exists()
    if not there:
        raise CommandError(
            f"account {backend.account} has no state bucket in {backend.region}; make it once with "
            f"`warmfleet backend init --region {backend.region}`, or set PULUMI_BACKEND_URL to another backend"
        )
