"""Takes on the one role that may write pointers: who activates a version is then in the account's trail by name."""

import getpass
import re
from typing import Any

from inference_service.artifacts import ArtifactStore
from scripts.aws_session import Aws, explained
from scripts.exit_codes import CommandError
from scripts.stack_target import StackTarget

SESSION_SECONDS = 900  # the shortest that AWS gives


def promoter_store(target: StackTarget) -> ArtifactStore:
    """The model bucket with the promoter's permissions; with the caller's own where the stack has no such role.

    Raises:
        CommandError: the role may not be taken on.
    """
    role, own = target.outputs.promoter_role, target.aws
    aws = own if role is None else Aws({**target.pulumi.environ, **_keys(own, role)}, target.outputs.region)
    return ArtifactStore(aws.client("s3"), target.outputs.bucket)


def session_name(user: str) -> str:
    """What stands in CloudTrail beside the role: 2 to 64 characters, and not every one.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    return f"warmfleet-{re.sub(r'[^A-Za-z0-9_=,.@-]', '-', user)}"[:64]


def _keys(aws: Aws, role: str) -> dict[str, str]:
    """The role's credentials, as the environment variables that go before every other source."""
    from botocore.exceptions import ClientError

    with explained():
        try:
            answer: Any = aws.client("sts").assume_role(
                RoleArn=role, RoleSessionName=session_name(_user()), DurationSeconds=SESSION_SECONDS
            )
        except ClientError as error:
            said = error.response["Error"].get("Message", str(error))
            raise CommandError(
                f"only role {role} may write pointers, and you may not take it on ({said}); have your user or role "
                "allowed sts:AssumeRole on it"
            ) from error
    keys = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "unknown"
