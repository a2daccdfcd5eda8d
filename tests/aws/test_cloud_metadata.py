"""Instance metadata of the local cloud: IMDSv2 as nodes, boto3 and AWS's documentation expect it."""

import gzip
import itertools
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError

import aiohttp
import boto3
import pytest

from inference_service.contract import TAG_GROUP
from inference_service.node.metadata import Identity, InstanceMetadata
from localcloud.aws.ec2.facts import read_facts
from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.aws.instance_facts import InstanceFacts, MetadataOptions
from localcloud.aws.metadata.credentials import LIFETIME, RENEWED_BEFORE, CredentialSource, RoleCredentials
from localcloud.aws.metadata.responder import Answer, Question, respond
from localcloud.aws.metadata.tokens import Tokens

NOON = datetime(2026, 3, 1, 12, 0, 0, 900_000, UTC)
TOKEN = "X-aws-ec2-metadata-token"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
FACTS = InstanceFacts(
    instance_id="i-1",
    state="running",
    instance_type="g6.xlarge",
    zone="us-east-1b",
    image_id="ami-1",
    private_ip="127.0.1.1",
    pending_at=NOON,
    market="spot",
    mac="1b:2b:3c:4d:5e:6f",
    tags={"Name": "node", TAG_GROUP: "nodes"},
    user_data=b"#!/bin/bash\n\x00",
    metadata_options=MetadataOptions(http_tokens="required"),
)


def credentials(instance_id: str, role_name: str) -> RoleCredentials:
    return RoleCredentials("ASIA1", "secret", f"token of {role_name} on {instance_id}", NOON, NOON + LIFETIME)


class Imds:
    """The responder with a clock that stands still, asked about one instance."""

    def __init__(self, facts: InstanceFacts | None = FACTS) -> None:
        self.seconds = 0.0
        self.facts = facts
        numbers = itertools.count()
        self.tokens = Tokens(lambda: self.seconds, lambda: f"token-{next(numbers)}")
        self.token = self.tokens.give("i-1", 21_600)

    def ask(self, path: str, token: str | None = "", method: str = "GET") -> Answer:
        question = Question(method, path, token=self.token if token == "" else token)
        return respond(question, self.facts, self.tokens, credentials)

    def put(self, ttl: str | None, forwarded_for: str | None = None, path: str = "api/token") -> Answer:
        question = Question("PUT", path, ttl_seconds=ttl, forwarded_for=forwarded_for)
        return respond(question, self.facts, self.tokens, credentials)


@pytest.mark.parametrize("ttl", ["1", "21600"])
def test_a_token_is_given_for_up_to_six_hours(ttl: str):
    answer = Imds().put(ttl)
    assert (answer.status, answer.headers) == (200, {TTL: ttl})


@pytest.mark.parametrize("ttl", [None, "", "0", "21601", "-1", "1.5", "a", "²", "9" * 5000])
def test_a_token_for_any_other_time_is_refused(ttl: str | None):
    assert Imds().put(ttl).status == 400


def test_a_token_asked_for_through_a_proxy_is_refused():
    assert Imds().put("60", forwarded_for="10.0.0.1").status == 403


def test_without_a_valid_token_of_this_very_instance_nothing_is_told():
    imds = Imds()
    for token in (None, "wrong", imds.tokens.give("i-2", 60)):
        answer = imds.ask("meta-data/instance-id", token=token)
        assert (answer.status, b"i-1" in answer.body) == (401, False)


def test_a_token_ends_with_its_time():
    imds = Imds()
    token = imds.put("60").body.decode()
    imds.seconds = 59
    assert imds.ask("meta-data/instance-id", token=token).headers == {TTL: "1"}
    imds.seconds = 60
    assert imds.ask("meta-data/instance-id", token=token).status == 401


def test_an_instance_that_has_ended_or_never_was_is_not_found():
    assert Imds(facts=None).ask("meta-data/instance-id").status == 404
    assert Imds(facts=None).put("60").status == 404


def test_an_instance_launched_without_metadata_has_none():
    imds = Imds(replace(FACTS, metadata_options=MetadataOptions(http_endpoint="disabled")))
    assert imds.ask("meta-data/instance-id").status == 403
    assert imds.put("60").status == 403


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_metadata_cannot_be_changed(method: str):
    assert Imds().ask("meta-data/instance-id", method=method).status == 405
    assert Imds().put("60", path="meta-data/instance-id").status == 405


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("meta-data/instance-id", "i-1"),
        ("meta-data/instance-type", "g6.xlarge"),
        ("meta-data/ami-id", "ami-1"),
        ("meta-data/local-ipv4", "127.0.1.1"),
        ("meta-data/mac", "1b:2b:3c:4d:5e:6f"),
        ("meta-data/placement/region", "us-east-1"),
        ("meta-data/placement/availability-zone", "us-east-1b"),
        ("meta-data/instance-life-cycle", "spot"),
    ],
)
def test_an_instance_learns_what_it_is(path: str, text: str):
    assert Imds().ask(path).body.decode() == text


def test_an_instance_finds_the_public_key_of_its_key_pair(aws: LocalAws):
    ec2 = aws.client("ec2")
    key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9sUJWoUv2rIIKZpNFvNg4pYxXGGbWGzy0Nzc8CkxmG me"
    ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=key)
    (made,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, KeyName="mine")["Instances"]
    facts = read_facts(made["InstanceId"])
    assert facts
    assert facts.public_key == key.decode()
    found = Imds(replace(FACTS, public_key=facts.public_key)).ask("meta-data/public-keys/0/openssh-key")
    assert (found.status, found.body) == (200, key)
    assert Imds().ask("meta-data/public-keys/0/openssh-key").status == 404


def test_user_data_comes_as_bytes_and_is_absent_without():
    assert Imds().ask("user-data").body == b"#!/bin/bash\n\x00"
    assert Imds(replace(FACTS, user_data=None)).ask("user-data").status == 404


def test_the_identity_document_says_since_when_the_instance_is_pending():
    document = json.loads(Imds().ask("dynamic/instance-identity/document").body)
    assert document["pendingTime"] == "2026-03-01T12:00:00Z"
    assert (document["instanceId"], document["accountId"]) == ("i-1", "123456789012")


def test_folders_list_what_is_in_them():
    imds = Imds(replace(FACTS, role_name="node-role"))
    assert imds.ask("").body.split() == [b"dynamic/", b"meta-data/", b"user-data"]
    assert imds.ask("meta-data/placement/").body.split() == [b"availability-zone", b"region"]
    assert imds.ask("meta-data/placement").body == imds.ask("meta-data/placement/").body
    assert imds.ask("meta-data/iam/security-credentials/").body == b"node-role"
    assert b"spot/" not in imds.ask("meta-data/").body.split()


@pytest.mark.parametrize("path", ["meta-data/nothing", "meta-data/place", "meta-data/instance-id/", "other"])
def test_what_is_not_there_is_not_found(path: str):
    assert Imds().ask(path).status == 404


def test_tags_are_told_only_where_the_launch_says_so():
    assert Imds().ask("meta-data/tags/instance/").status == 404
    imds = Imds(replace(FACTS, metadata_options=MetadataOptions(instance_metadata_tags="enabled")))
    assert imds.ask("meta-data/tags/instance/").body.decode().split() == ["Name", TAG_GROUP]
    assert imds.ask(f"meta-data/tags/instance/{TAG_GROUP}").body == b"nodes"


@pytest.mark.parametrize(
    "path",
    [
        "spot/instance-action",
        "spot/termination-time",
        "events/recommendations/rebalance",
        "autoscaling/target-lifecycle-state",
        "iam/info",
        "iam/security-credentials/",
    ],
)
def test_what_has_not_happened_or_does_not_exist_is_not_found(path: str):
    assert Imds().ask(f"meta-data/{path}").status == 404


def test_a_notice_names_the_second_at_which_the_instance_is_taken():
    imds = Imds(replace(FACTS, spot_ends_at=NOON + timedelta(minutes=2), rebalance_at=NOON))
    action = {"action": "terminate", "time": "2026-03-01T12:02:00Z"}
    assert json.loads(imds.ask("meta-data/spot/instance-action").body) == action
    assert imds.ask("meta-data/spot/termination-time").body == b"2026-03-01T12:02:00Z"
    notice = {"noticeTime": "2026-03-01T12:00:00Z"}
    assert json.loads(imds.ask("meta-data/events/recommendations/rebalance").body) == notice


def test_the_state_that_auto_scaling_wants_is_told():
    imds = Imds(replace(FACTS, target_lifecycle_state="Terminated"))
    assert imds.ask("meta-data/autoscaling/target-lifecycle-state").body == b"Terminated"


def test_role_credentials_stay_the_same_until_they_have_to_be_renewed():
    now, given = [NOON], itertools.count()

    def assume(role_name: str, session_name: str) -> RoleCredentials:
        return RoleCredentials(f"ASIA{next(given)}", "secret", "token", now[0], now[0] + LIFETIME)

    source = CredentialSource(assume, lambda: now[0])
    first = source.of("i-1", "role")
    now[0] = NOON + LIFETIME - RENEWED_BEFORE
    assert source.of("i-1", "role") is first
    assert source.of("i-2", "role") is not first
    now[0] += timedelta(seconds=1)
    assert source.of("i-1", "role").access_key_id not in (first.access_key_id, source.of("i-2", "role").access_key_id)


# --- Served, for an instance that EC2 has launched.


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.9") as aws:
        yield aws


@pytest.fixture(scope="module")
def endpoint(aws: LocalAws) -> str:
    iam = aws.client("iam")
    iam.create_role(RoleName="node-role", AssumeRolePolicyDocument="{}", Path="/warmfleet/")
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node-role")
    launched = aws.client("ec2").run_instances(
        ImageId="ami-00000001",
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "node"},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "warmfleet:role", "Value": "node"}]}],
    )
    aws.tick()
    return f"{aws.url}/_local/metadata/{launched['Instances'][0]['InstanceId']}"


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=5) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def token(endpoint: str) -> str:
    status, body = fetch(f"{endpoint}/latest/api/token", "PUT", **{TTL: "60"})
    assert status == 200
    return body.decode()


def test_botocore_finds_its_credentials_there_and_the_local_aws_knows_them(
    aws: LocalAws, endpoint: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    session = boto3.Session(region_name="us-east-1")
    found: Any = session.get_credentials()
    assert found is not None
    assert found.method == "iam-role"
    identity = session.client("sts", endpoint_url=aws.url).get_caller_identity()
    instance_id = endpoint.rpartition("/")[2]
    assert identity["Arn"] == f"arn:aws:sts::123456789012:assumed-role/node-role/{instance_id}"


async def test_a_node_reads_its_identity_and_sees_no_reason_to_leave(endpoint: str):
    async with aiohttp.ClientSession() as http:
        metadata = InstanceMetadata(http, endpoint)
        identity = await metadata.identity()
        assert identity == Identity(endpoint.rpartition("/")[2], None, identity.pending_time)
        assert identity.pending_time is not None
        assert abs(datetime.now(UTC) - identity.pending_time) < timedelta(minutes=5)
        assert await metadata.get("meta-data/tags/instance/warmfleet:role") == "node"
        assert await metadata.spot_action() is None
        assert await metadata.target_lifecycle_state() is None
        assert await metadata.rebalance_noticed_at() is None


def launch_spot_group(aws: LocalAws) -> str:
    """A group called nodes with one spot instance in service: its id."""
    ec2, autoscaling = aws.client("ec2"), aws.client("autoscaling")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}
    data = {"ImageId": "ami-00000001", "InstanceType": "g6.xlarge", "MetadataOptions": options}
    ec2.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)
    template = {"LaunchTemplateSpecification": {"LaunchTemplateName": "nodes", "Version": "$Latest"}}
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="nodes",
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        VPCZoneIdentifier=subnet,
        MixedInstancesPolicy={
            "LaunchTemplate": template,
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
        },
    )
    aws.tick(3)
    (member,) = autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"]
    assert member["LifecycleState"] == "InService"
    return str(member["InstanceId"])


async def test_a_node_learns_its_group_and_that_ec2_takes_its_instance(aws: LocalAws):
    instance_id = launch_spot_group(aws)
    async with aiohttp.ClientSession() as http:
        metadata = InstanceMetadata(http, f"{aws.url}/_local/metadata/{instance_id}")
        assert (await metadata.identity()).group == "nodes"
        assert await metadata.get("meta-data/instance-life-cycle") == "spot"
        assert await metadata.target_lifecycle_state() == "InService"
        assert (await metadata.spot_action(), await metadata.rebalance_noticed_at()) == (None, None)
        announced = {"instance_id": instance_id, "notice_seconds": 120, "rebalance": True}
        async with http.post(f"{aws.url}/_local/spot/interrupt", json=announced) as answer:
            assert answer.status == 200
        action = await metadata.spot_action()
        assert action is not None
        assert action[0] == "terminate"
        assert await metadata.get("meta-data/spot/termination-time") == action[1].strftime("%Y-%m-%dT%H:%M:%SZ")
        assert await metadata.rebalance_noticed_at() is not None
        aws.pass_seconds(121)
        assert await metadata.get("meta-data/instance-id") is None


async def test_a_node_gets_a_new_token_when_its_own_has_expired(aws: LocalAws, endpoint: str):
    async with aiohttp.ClientSession() as http:
        metadata = InstanceMetadata(http, endpoint)
        assert await metadata.get("meta-data/instance-type")
        aws.clock.advance(21_600)
        assert await metadata.get("meta-data/instance-type")


def test_version_1_requests_and_unknown_instances_get_nothing(aws: LocalAws, endpoint: str):
    assert fetch(f"{endpoint}/latest/meta-data/instance-id")[0] == 401
    assert fetch(f"{endpoint}/latest/api/token", "PUT", **{TTL: "60", "X-Forwarded-For": "10.0.0.1"})[0] == 403
    unknown = f"{aws.url}/_local/metadata/i-unknown"
    assert fetch(f"{unknown}/latest/meta-data/", **{TOKEN: token(endpoint)})[0] == 404


def test_listings_are_served_with_and_without_a_slash_at_the_end(endpoint: str):
    headers = {TOKEN: token(endpoint)}
    for path, expected in (
        ("", b"meta-data/"),
        ("meta-data/placement", b"region"),
        ("meta-data/placement/", b"region"),
    ):
        status, body = fetch(f"{endpoint}/latest/{path}", **headers)
        assert (status, expected in body.split()) == (200, True)


def test_user_data_that_is_no_text_is_served_as_it_is_and_hides_no_instance(aws: LocalAws):
    given = gzip.compress(b"#!/bin/bash")
    launched = aws.client("ec2").run_instances(ImageId="ami-00000001", MinCount=1, MaxCount=1, UserData=given)
    instance_id = launched["Instances"][0]["InstanceId"]
    endpoint = f"{aws.url}/_local/metadata/{instance_id}"
    assert fetch(f"{endpoint}/latest/user-data", **{TOKEN: token(endpoint)}) == (200, given)
    listed = json.loads(fetch(f"{aws.url}/_local/instances")[1])
    assert instance_id in [each["instance_id"] for each in listed]


def test_a_terminated_instance_has_no_metadata_any_more(aws: LocalAws):
    ec2 = aws.client("ec2")
    instance_id = ec2.run_instances(ImageId="ami-00000001", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    endpoint = f"{aws.url}/_local/metadata/{instance_id}"
    headers = {TOKEN: token(endpoint)}
    assert fetch(f"{endpoint}/latest/meta-data/instance-id", **headers) == (200, instance_id.encode())
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert fetch(f"{endpoint}/latest/meta-data/instance-id", **headers)[0] == 404
