"""Pulumi's protocol over a real socket: what the engine sends, and what it gets."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from localcloud.aws.in_process import LocalAws
from localcloud.provider import operations
from localcloud.provider.__main__ import serve
from localcloud.provider.clients import Clients
from localcloud.provider.values import ASSET, OUTPUT, SECRET, SIGNATURE, UNKNOWN, decode, encode
from tests.aws.provider.engine import BUCKET, GROUP, SECONDS, URN, VPC, Engine, struct


def test_all_problems_of_a_resource_are_reported_together_each_with_its_property(engine: Engine) -> None:
    reasons = engine.reasons(
        VPC, {"cidrBlok": "x", "enableDnsSupport": 3.0, "ipv6CidrBlock": "::/56", "tags": {"a": 1.0}}
    )
    assert reasons == [
        "cidrBlok: pulumi_aws has no such property (VpcArgs); did you mean cidrBlock?",
        "enableDnsSupport: expected a boolean, not 3",
        "ipv6CidrBlock: the local cloud's aws:ec2/vpc:Vpc does not know this property; "
        "add it in localcloud/provider/handlers/ec2_network.py",
        "tags['a']: expected a string, not 1",
    ]


def test_a_missing_required_property_is_named(engine: Engine) -> None:
    assert "maxSize: missing, but required" in engine.reasons(GROUP, {"minSize": 0.0})


def test_problems_deep_inside_a_property_are_named_by_their_path(engine: Engine) -> None:
    policy = {"launchTemplate": {"overrides": [{"instanceTypee": "g5.xlarge"}]}}
    reasons = engine.reasons(GROUP, {"minSize": 0.0, "maxSize": 1.5, "mixedInstancesPolicy": policy})
    assert any(each.startswith("maxSize: expected a whole number, not 1.5") for each in reasons)
    assert any("overrides[0].instanceTypee: " in each and "did you mean instanceType?" in each for each in reasons)


def test_an_unknown_type_is_named_with_the_nearest_and_where_to_add_it(engine: Engine) -> None:
    (reason,) = engine.reasons("ec2/vpcs:Vpcs", {})
    assert "aws:ec2/vpcs:Vpcs; did you mean aws:ec2/vpc:Vpc?" in reason
    assert "localcloud/provider/handlers/" in reason
    with pytest.raises(grpc.RpcError, match=r"aws:ec2/vpcs:Vpcs") as raised:
        engine.create("ec2/vpcs:Vpcs", {})
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_function_and_an_unknown_argument_are_named(engine: Engine) -> None:
    request = provider_pb2.InvokeRequest(tok="aws:ec2/getVpcs:getVpcs", args=struct({}))
    with pytest.raises(grpc.RpcError, match=r"aws:ec2/getVpcs:getVpcs; add it in localcloud/provider/invokes\.py"):
        engine.call("Invoke", request)
    request = provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion", args=struct({"zone": "a"}))
    with pytest.raises(grpc.RpcError, match="does not know the argument zone"):
        engine.call("Invoke", request)


def test_numbers_from_the_wire_are_whole_numbers_to_aws(engine: Engine, cloud: LocalAws) -> None:
    subnet = cloud.client("ec2").create_subnet(
        VpcId=engine.create(VPC, {"cidrBlock": "10.0.0.0/16"}).id, CidrBlock="10.0.1.0/24"
    )["Subnet"]["SubnetId"]
    data = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
    cloud.client("ec2").create_launch_template(LaunchTemplateName="whole", LaunchTemplateData=data)
    inputs = {"name": "whole", "minSize": 0.0, "maxSize": 2.0, "vpcZoneIdentifiers": [subnet]}
    made = engine.create(GROUP, {**inputs, "launchTemplate": {"name": "whole", "version": "1"}})
    assert decode(made.properties)["maxSize"] == 2
    assert cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]["MaxSize"] == 2


def test_a_name_that_the_program_leaves_out_is_made_once_and_kept(engine: Engine) -> None:
    first = decode(engine.check(BUCKET, {}).inputs)
    assert first["bucket"].startswith("net-")
    assert decode(engine.check(BUCKET, {}).inputs)["bucket"] == first["bucket"], "the seed decides, as in a preview"
    assert decode(engine.check(BUCKET, {}, first, seed=b"other").inputs)["bucket"] == first["bucket"]
    assert decode(engine.check(BUCKET, {"bucket": "mine"}, first).inputs)["bucket"] == "mine"


def test_a_name_that_would_be_too_long_for_aws_is_refused(engine: Engine) -> None:
    urn = URN.format("lb/loadBalancer:LoadBalancer").removesuffix("net") + "a-gateway-with-a-long-name"
    found = engine.call("Check", provider_pb2.CheckRequest(urn=urn, news=struct({}), randomSeed=b"seed"))
    assert "AWS takes 32 here" in found.failures[0].reason


def test_default_tags_reach_what_has_tags_and_the_own_win(channel: grpc.Channel) -> None:
    engine = Engine(channel, defaultTags=json.dumps({"tags": {"owner": "default", "project": "fleet"}}))
    checked = decode(engine.check(VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"owner": "own"}}).inputs)
    assert checked["tags"] == {"owner": "own", "project": "fleet"}
    assert decode(engine.create(VPC, checked).properties)["tagsAll"] == {"owner": "own", "project": "fleet"}
    group = {"minSize": 0.0, "maxSize": 0.0}
    assert "tags" not in decode(engine.check(GROUP, group).inputs), "AWS's provider leaves groups out, too"


def test_a_provider_that_would_lead_to_another_aws_is_refused(channel: grpc.Channel) -> None:
    wrong = {"profile": "prod", "accessKey": "AKIA", "endpoints": json.dumps([{"ec2": "https://ec2.example"}])}
    found = Engine(channel).call("CheckConfig", provider_pb2.CheckRequest(news=struct(wrong)))
    reasons = " ".join(each.reason for each in found.failures)
    assert all(name in reasons for name in wrong)
    with pytest.raises(grpc.RpcError, match="profile"):
        Engine(channel, **wrong)


def test_what_is_known_only_later_stays_unknown_in_a_preview(engine: Engine, cloud: LocalAws) -> None:
    before = len(cloud.client("ec2").describe_vpcs()["Vpcs"])
    shown = decode(engine.create(VPC, {"cidrBlock": UNKNOWN, "tags": {"a": UNKNOWN}}, preview=True).properties)
    assert shown["cidrBlock"] == UNKNOWN
    assert shown["tags"] == {"a": UNKNOWN}
    assert shown["arn"] == UNKNOWN
    assert len(cloud.client("ec2").describe_vpcs()["Vpcs"]) == before
    assert engine.reasons("ec2/subnet:Subnet", {"vpcId": UNKNOWN, "cidrBlock": UNKNOWN}) == []
    assert list(engine.diff(VPC, {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": UNKNOWN}).replaces) == ["cidrBlock"]


def test_secrets_and_outputs_are_opened_and_assets_keep_their_hash() -> None:
    secret = {SIGNATURE: SECRET, "value": {"key": 5.0}}
    output = {SIGNATURE: OUTPUT, "value": "known"}
    asset = {SIGNATURE: ASSET, "path": "/bundle", "hash": "ab"}
    plain = decode(struct({"secret": secret, "output": output, "later": {SIGNATURE: OUTPUT}, "asset": asset}))
    assert plain["secret"] == {"key": 5}
    assert (plain["output"], plain["later"]) == ("known", UNKNOWN)
    assert decode(encode(plain)) == plain


def test_an_unfinished_resource_is_kept_with_its_id_and_finished_by_the_next_up(
    engine: Engine, cloud: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localcloud.provider.handlers.ec2_network import Vpc

    inputs = {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True}
    with monkeypatch.context() as broken:
        broken.setattr(Vpc, "complete", lambda *_: {}["a defect"])
        with pytest.raises(grpc.RpcError) as raised:
            engine.create(VPC, inputs)
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(details).details[0].Unpack(failed)
    assert cloud.client("ec2").describe_vpcs(VpcIds=[failed.id])
    assert "a defect of the local aws provider" in failed.reasons[0]

    request = {"id": failed.id, "urn": URN.format(VPC), "olds": failed.properties, "news": struct(inputs)}
    updated = engine.call("Update", provider_pb2.UpdateRequest(**request))
    assert decode(updated.properties)["enableDnsHostnames"] is True


def test_a_group_keeps_the_nodes_that_scaling_gave_it_when_the_program_changes_something_else(
    engine: Engine, cloud: LocalAws
) -> None:
    """Rule: `ignore_changes` on the desired capacity; the inputs hold its first value for ever."""
    asg = cloud.client("autoscaling")
    vpc = engine.create(VPC, {"cidrBlock": "10.0.0.0/16"}).id
    subnet = cloud.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    data = {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
    cloud.client("ec2").create_launch_template(LaunchTemplateName="scaled", LaunchTemplateData=data)
    inputs = {"name": "scaled", "minSize": 0.0, "maxSize": 2.0, "desiredCapacity": 0.0, "vpcZoneIdentifiers": [subnet]}
    inputs |= {"launchTemplate": {"name": "scaled"}, "waitForCapacityTimeout": "0"}
    made = engine.create(GROUP, inputs)
    asg.set_desired_capacity(AutoScalingGroupName="scaled", DesiredCapacity=1)
    request = {"id": made.id, "urn": URN.format(GROUP), "olds": made.properties}
    engine.call("Update", provider_pb2.UpdateRequest(**request, news=struct({**inputs, "maxSize": 3.0})))
    (group,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=["scaled"])["AutoScalingGroups"]
    assert (group["MaxSize"], group["DesiredCapacity"]) == (3, 1)


def test_a_read_that_fails_is_an_error_and_only_not_found_is_gone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localcloud.provider.handlers.ec2_network import Vpc

    def read(id_: str) -> Any:
        request = {"id": id_, "urn": URN.format(VPC), "inputs": struct({}), "properties": struct({"arn": "x"})}
        return engine.call("Read", provider_pb2.ReadRequest(**request))

    assert read("vpc-0123456789abcdef0").id == ""
    monkeypatch.setattr(Vpc, "read", lambda *_: [][0])
    with pytest.raises(grpc.RpcError, match="a defect of the local aws provider"):
        read("vpc-0123456789abcdef0")


def test_a_process_with_another_backend_is_refused_over_the_socket(cloud: LocalAws, tmp_path: Path) -> None:
    """This test's own process has no backend at all."""
    server, port = serve(Clients(cloud.url), tmp_path / ".warmfleet" / "pulumi")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            for method, request in (
                ("Handshake", provider_pb2.ProviderHandshakeRequest()),
                ("Create", provider_pb2.CreateRequest(urn=URN.format(VPC))),
                ("Delete", provider_pb2.DeleteRequest(urn=URN.format(VPC))),
            ):
                with pytest.raises(grpc.RpcError, match="has no PULUMI_BACKEND_URL") as raised:
                    getattr(stub, method)(request, timeout=SECONDS)
                assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED
    finally:
        server.stop(grace=None).wait()


def test_inputs_that_pulumi_ignores_are_no_difference(engine: Engine) -> None:
    before, after = {"desiredCapacity": 1, "maxSize": 1}, {"desiredCapacity": 2, "maxSize": 1}
    from localcloud.provider.registry import handler_for

    assert not operations.difference(handler_for("aws:" + GROUP), before, after, ["desiredCapacity"]).changed
