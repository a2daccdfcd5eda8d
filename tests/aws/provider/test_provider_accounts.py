"""The account guard of a stack (`aws:allowedAccountIds`), through both front ends of the stand-in provider."""

import json
from typing import Any

import grpc
import pytest
from pulumi.runtime import MockResourceArgs
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from localcloud.aws.cloud import ACCOUNT
from localcloud.aws.in_process import LocalAws
from localcloud.provider.configuration import Configuration, guard_account
from localcloud.provider.errors import ProviderError
from localcloud.provider.mocks import MotoMocks
from localcloud.provider.schema import PROVIDER
from tests.aws.provider.engine import SECONDS, URN, VPC, Engine

OTHER = "111111111111"


def through_mocks(cloud: LocalAws, inputs: dict[str, Any]) -> None:
    """As pulumi.runtime.set_mocks hands over an explicit provider: all but text is JSON text."""
    given = {key: json.dumps(value) for key, value in inputs.items()}
    arguments = MockResourceArgs(typ=PROVIDER, name="aws", inputs=given, provider="", resource_id="", custom=True)
    MotoMocks(cloud.client).new_resource(arguments)


def test_a_stack_for_another_account_makes_nothing_and_names_both_accounts_and_the_setting(
    channel: grpc.Channel,
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        Engine(channel, allowedAccountIds=json.dumps([OTHER]))
    text = raised.value.details()
    assert all(part in text for part in (ACCOUNT, OTHER, "aws:allowedAccountIds in the stack file"))
    stub = provider_pb2_grpc.ResourceProviderStub(channel)
    with pytest.raises(grpc.RpcError, match="before it was configured"):
        stub.Create(provider_pb2.CreateRequest(urn=URN.format(VPC)), timeout=SECONDS)


def test_a_stack_for_this_account_goes_on(channel: grpc.Channel, cloud: LocalAws) -> None:
    engine = Engine(channel, allowedAccountIds=json.dumps([OTHER, ACCOUNT]))
    assert engine.create(VPC, {"cidrBlock": "10.0.0.0/16"}).id.startswith("vpc-")
    through_mocks(cloud, {"allowedAccountIds": [OTHER, ACCOUNT]})


def test_a_forbidden_account_is_refused_by_both_front_ends(channel: grpc.Channel, cloud: LocalAws) -> None:
    with pytest.raises(grpc.RpcError, match=rf"{ACCOUNT}, which aws:forbiddenAccountIds"):
        Engine(channel, forbiddenAccountIds=json.dumps([ACCOUNT]))
    with pytest.raises(ProviderError, match=rf"{ACCOUNT}, which aws:forbiddenAccountIds"):
        through_mocks(cloud, {"forbiddenAccountIds": [ACCOUNT]})


def test_mocks_refuse_an_account_that_is_not_allowed(cloud: LocalAws) -> None:
    with pytest.raises(ProviderError, match=f"{ACCOUNT}, but aws:allowedAccountIds in the stack file allows only"):
        through_mocks(cloud, {"allowedAccountIds": [OTHER]})


def test_an_account_id_that_yaml_made_a_number_of_is_refused(channel: grpc.Channel) -> None:
    """YAML reads 012345678901 without quotes as another number."""
    with pytest.raises(grpc.RpcError, match=r"allowedAccountIds\[0\]: expected a string"):
        Engine(channel, allowedAccountIds=json.dumps([int(ACCOUNT)]))


def test_aws_is_not_asked_where_no_account_is_named() -> None:
    def unexpected() -> str:
        raise AssertionError("asked")

    guard_account(Configuration("us-east-1", {}), unexpected)
