"""`warmfleet env STACK`: the backend of the caller's account, for stacks that may live there."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cli_checkout import Checkout

from localcloud.aws.in_process import LocalAws, local_aws
from scripts import stack_environment
from scripts.cli import run
from scripts.stack_files import StackFile
from scripts.state_backend import s3_endpoint

ACCOUNT = "123456789012"
FILE = StackFile("dev", "eu-central-1", (ACCOUNT,))
MINE = {"AWS_PROFILE": "mine"}
URL = f"s3://warmfleet-state-{ACCOUNT}-us-east-1"


def guarded(account: str, region: str = "us-east-1") -> str:
    return f'config:\n  aws:region: {region}\n  aws:allowedAccountIds: ["{account}"]\n'


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.62") as made:
        made.client("s3").create_bucket(Bucket=URL.removeprefix("s3://"))
        yield made


@pytest.fixture
def env(
    checkout: Checkout, aws: LocalAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Any, str]]:
    """Runs `warmfleet env …` in a checkout; gives its JSON (None if it failed) and what it said."""
    for stack, text in {"dev": guarded(ACCOUNT), "prod": guarded("000000000000")}.items():
        (checkout.root / f"Pulumi.{stack}.yaml").write_text(text)
    (checkout.root / "Pulumi.far.yaml").write_text(guarded(ACCOUNT, "eu-central-1"))
    (checkout.root / "Pulumi.nowhere.yaml").write_text("config: {}\n")
    monkeypatch.chdir(checkout.root)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)

    def run_it(*arguments: str, **environ: str) -> tuple[Any, str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code = run(["env", *arguments, "--json"])
        printed = capsys.readouterr()
        return (json.loads(printed.out) if code == 0 else None), printed.err

    return run_it


def test_a_stack_gets_the_backend_of_the_callers_account_and_its_own_region(
    env: Callable[..., tuple[Any, str]],
) -> None:
    document, _ = env("dev")
    exported = document["export"]
    assert exported["PULUMI_BACKEND_URL"].startswith(f"{URL}?region=us-east-1&endpoint=127.62.0.1:")
    assert (exported["AWS_REGION"], exported["AWS_DEFAULT_REGION"]) == ("us-east-1", "us-east-1")


def test_a_backend_of_the_users_own_is_kept(env: Callable[..., tuple[Any, str]]) -> None:
    document, _ = env("far", PULUMI_BACKEND_URL="https://api.pulumi.com")
    assert "PULUMI_BACKEND_URL" not in document["export"]
    assert "PULUMI_BACKEND_URL" not in document["export"]["WARMFLEET_STACK_SET"]


@pytest.mark.parametrize("backend", [{}, {"PULUMI_BACKEND_URL": "https://api.pulumi.com"}], ids=["ours", "own"])
def test_an_account_that_the_stack_does_not_allow_is_refused_in_one_sentence(
    env: Callable[..., tuple[Any, str]], backend: dict[str, str]
) -> None:
    document, said = env("prod", **backend)
    assert document is None
    assert said.splitlines()[-1].startswith(
        f"your credentials are of account {ACCOUNT}, but aws:allowedAccountIds in Pulumi.prod.yaml allows 000000000000"
    )


def test_an_unknown_stack_is_named_with_the_known_ones(env: Callable[..., tuple[Any, str]]) -> None:
    document, said = env("stagign")
    assert document is None
    assert said.endswith("there are files for: dev, far, local, nowhere, prod\n")
    assert "Pulumi.nowhere.yaml has no aws:region" in env("nowhere")[1]


def test_a_backend_that_was_never_made_is_said_with_the_command_that_makes_it(
    env: Callable[..., tuple[Any, str]],
) -> None:
    document, said = env("far")
    assert document is None
    assert "`warmfleet backend init --region eu-central-1`" in said


def test_another_stack_replaces_a_backend_that_we_have_set_and_unset_takes_only_ours() -> None:
    first = stack_environment.entering(MINE, FILE, "s3://one").export
    assert stack_environment.own_backend(MINE | first) is None
    second = stack_environment.entering(MINE | first, FILE, "s3://two").export
    assert second == {"PULUMI_BACKEND_URL": "s3://two"}
    left = stack_environment.leaving(MINE | first | second)
    assert left.export == {}
    assert set(left.unset) == {"AWS_REGION", "AWS_DEFAULT_REGION", "PULUMI_BACKEND_URL", "WARMFLEET_STACK_SET"}
    assert stack_environment.leaving(MINE).unset == ()


def test_unset_of_a_stack_needs_no_account(env: Callable[..., tuple[Any, str]]) -> None:
    document, said = env("prod", "--unset", WARMFLEET_STACK_SET="AWS_REGION", AWS_REGION="us-east-1")
    assert document == {"export": {}, "unset": ["AWS_REGION", "WARMFLEET_STACK_SET"]}
    assert said == ""


def test_the_endpoint_of_s3_goes_before_the_one_of_every_service() -> None:
    both = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "http://s3"}
    assert s3_endpoint(both) == "http://s3"
    assert s3_endpoint({"AWS_ENDPOINT_URL": "http://all"}) == "http://all"
    assert s3_endpoint(both | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}) is None
    assert s3_endpoint({}) is None
