"""`warmfleet keys` as processes, against moto's SSM."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_checkout import Checkout

from inference_service import api_keys

PARAMETER = "api-keys-1"


@pytest.fixture
def keys(
    checkout: Checkout, aws: dict[str, str], client: Callable[[str], Any], json_of: Callable[[Any], Any]
) -> Callable[..., Any]:
    client("ssm").put_parameter(
        Name=PARAMETER, Value='{"keys": []}', Type="SecureString", KeyId="alias/mine", Overwrite=True
    )
    checkout.outputs(apiKeysParameter=PARAMETER)
    return lambda *arguments: json_of(checkout.run("keys", *arguments, "--stack", "dev", "--json", **aws))


def kept(client: Callable[[str], Any]) -> str:
    return str(client("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"])


def test_a_key_is_shown_once_rotated_listed_without_its_secret_and_revoked(
    keys: Callable[..., Any], client: Callable[[str], Any]
) -> None:
    first = keys("create", "search", "--per-minute", "60", "--at-once", "4")["key"]
    second = keys("rotate", "search", "--overlap", "1h")["key"]
    listed = keys("list")["keys"]
    assert [(each["name"], each["per_minute"], each["at_once"]) for each in listed] == [("search", 60, 4)] * 2
    assert [each["expires"] is None for each in listed] == [False, True]
    assert all(secret not in json.dumps(listed) + kept(client) for secret in (first, second))
    stored = api_keys.parse(kept(client))
    assert [api_keys.found(stored, secret, 0) for secret in (first, second)] == list(stored)
    keys("revoke", listed[0]["id"])
    assert [each["id"] for each in keys("list")["keys"]] == [listed[1]["id"]]
    (described,) = client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [PARAMETER]}]
    )["Parameters"]
    assert described["KeyId"] == "alias/mine", "the parameter went over to another KMS key"
    keys("revoke", "search")
    assert keys("list")["keys"] == []


def test_mistakes_are_one_line_and_wrong_usage(
    keys: Callable[..., Any], checkout: Checkout, aws: dict[str, str], client: Callable[[str], Any]
) -> None:
    before = kept(client)
    for arguments, said in (
        (("rotate", "nobody"), "there is no key nobody"),
        (("create", "No Name"), "no name for a key"),
        (("rotate", "x", "--overlap", "soon"), "--overlap is 'soon'"),
    ):
        done = checkout.run("keys", *arguments, "--stack", "dev", **aws)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (64, True, False), done.stderr
    assert kept(client) == before
