"""Only the promoter role writes pointers: `models activate` and `rollback` take it on, the local `up` too."""

from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from cli_checkout import OUTPUTS

from inference_service.artifacts import ArtifactStore
from scripts import promotion
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.promotion import promoter_store, session_name
from scripts.pulumi_runs import Pulumi
from scripts.stack_outputs import parse
from scripts.stack_target import StackTarget

ROLE = "arn:aws:iam::123456789012:role/promoter-1"
ENVIRON = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "mine", "PATH": "/usr/bin"}
KEYS = {"AccessKeyId": "ASIA", "SecretAccessKey": "its secret", "SessionToken": "its token"}


class Sts:
    """Gives the role's keys, or refuses as AWS does."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.asked: list[dict[str, Any]] = []

    def assume_role(self, **asked: Any) -> Any:
        self.asked.append(asked)
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": self.refuses}}, "AssumeRole")
        return {"Credentials": KEYS}


class Own(Aws):
    """The caller's own clients, with `sts` made up."""

    def __init__(self, sts: Sts) -> None:
        super().__init__(ENVIRON, "us-east-1")
        self._sts = sts

    def client(self, service: str) -> Any:
        return self._sts if service == "sts" else super().client(service)


def target(sts: Sts, **outputs: Any) -> StackTarget:
    pulumi = Pulumi(Path("pulumi"), Path(), ENVIRON)
    return StackTarget(Path(), "dev", pulumi, parse(OUTPUTS | outputs, "dev"), Own(sts), None)


def credentials(store: ArtifactStore) -> Any:
    return cast(Any, store.s3)._request_signer._credentials


def test_pointers_are_written_with_the_roles_credentials_for_a_quarter_of_an_hour() -> None:
    sts = Sts()
    found = credentials(promoter_store(target(sts, promoterRoleArn=ROLE)))
    assert (found.access_key, found.secret_key, found.token) == tuple(KEYS.values())
    (asked,) = sts.asked
    assert (asked["RoleArn"], asked["DurationSeconds"]) == (ROLE, 900)


def test_a_stack_without_the_role_is_written_with_ones_own_credentials() -> None:
    sts = Sts()
    assert credentials(promoter_store(target(sts))).access_key == "mine"
    assert sts.asked == []


def test_a_refusal_is_one_sentence_that_names_the_role() -> None:
    refused = Sts("User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:AssumeRole")
    with pytest.raises(CommandError, match=rf"^only role {ROLE} may write pointers[^\n]*user/me[^\n]*$"):
        promoter_store(target(refused, promoterRoleArn=ROLE))


def test_the_sessions_name_tells_who_it_was_in_characters_that_sts_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert session_name("ada") == "warmfleet-ada"
    assert session_name("ada lövelace/x" + 99 * "y").startswith("warmfleet-ada-l-velace-xyyy")
    assert len(session_name(99 * "y")) == 64

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(promotion.getpass, "getuser", nobody)
    sts = Sts()
    promoter_store(target(sts, promoterRoleArn=ROLE))
    assert sts.asked[0]["RoleSessionName"] == "warmfleet-unknown"
