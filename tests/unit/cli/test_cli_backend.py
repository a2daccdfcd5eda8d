"""`warmfleet backend init` against the local cloud's S3, KMS and STS."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cli_checkout import Checkout

from localcloud.aws.in_process import LocalAws, local_aws
from scripts import state_bucket
from scripts.cli import run
from scripts.exit_codes import CommandError
from scripts.stack_files import StackFile
from scripts.state_backend import StateBackend, choose_region, next_steps
from scripts.state_bucket import StateBucket, differences, wanted
from scripts.state_key import refuse_unusable

ACCOUNT, REGION = "123456789012", "eu-central-1"
BUCKET = f"warmfleet-state-{ACCOUNT}-{REGION}"
DEV = StackFile("dev", REGION, (ACCOUNT,))
BACKEND = StateBackend(ACCOUNT, REGION)


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.61") as made:
        yield made


@pytest.fixture
def in_checkout(checkout: Checkout, aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout with a dev stack, in this process's environment and folder."""
    (checkout.root / "Pulumi.dev.yaml").write_text(
        f'config:\n  aws:region: {REGION}\n  aws:allowedAccountIds: ["{ACCOUNT}"]\n'
    )
    monkeypatch.chdir(checkout.root)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    return checkout


@pytest.fixture
def init(in_checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    def run_it() -> Any:
        capsys.readouterr()
        assert run(["backend", "init", "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run_it


def test_an_account_gets_one_bucket_and_key_with_every_protection(init: Callable[[], Any], aws: LocalAws) -> None:
    document = init()
    s3, kms = aws.client("s3", REGION), aws.client("kms", REGION)
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    key = kms.describe_key(KeyId="alias/warmfleet-state")["KeyMetadata"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
    assert (rule["ApplyServerSideEncryptionByDefault"], rule["BucketKeyEnabled"]) == (default, True)
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert len(block) == 4
    (ownership,) = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert ownership == {"ObjectOwnership": "BucketOwnerEnforced"}
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert rules[0]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert "AbortIncompleteMultipartUpload" in rules[1]
    assert (document["account"], document["bucket"], document["key"]) == (ACCOUNT, BUCKET, key["Arn"])


def test_a_second_run_changes_nothing_and_says_so(init: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert init()["changes"]
    assert init()["changes"] == []
    assert run(["backend", "init"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("no change\n")
    assert 'eval "$(warmfleet env dev)"' in printed
    assert f"pulumi stack select --create dev --secrets-provider '{BACKEND.secrets_provider}'" in printed


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 7], ids=["key", "alias", "rotation", "bucket", "policy"])
def test_a_run_that_was_cut_off_anywhere_is_completed_by_the_next(
    init: Callable[[], Any], aws: LocalAws, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """The nth call that changes something is the last one that arrives."""
    import botocore.client

    left, make_call = [calls], botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def cut(self: Any, operation: str, arguments: Any) -> Any:
        answer = make_call(self, operation, arguments)
        left[0] -= operation.startswith(("Put", "Create", "Enable"))
        if left[0] == 0:
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", cut)
        assert run(["backend", "init"]) == 130
    assert init()["changes"]
    assert init()["changes"] == []
    assert len(aws.client("kms", REGION).list_keys()["Keys"]) == 1, "a key was left over"


def test_every_setting_that_differs_is_repaired_and_named(init: Callable[[], Any], aws: LocalAws) -> None:
    kms, s3 = aws.client("kms", REGION), aws.client("s3", REGION)
    kms.disable_key_rotation(KeyId=init()["key"])
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.delete_bucket_ownership_controls(Bucket=BUCKET)
    s3.delete_bucket_policy(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_encryption(Bucket=BUCKET)
    s3.delete_bucket_lifecycle(Bucket=BUCKET)
    changes = init()["changes"]
    assert [each.split(":")[0] for each in changes] == ["key rotation", *wanted(BACKEND, "key")]
    assert 'versioning: was "Suspended"' in changes
    assert init()["changes"] == []


def test_a_rule_that_would_delete_states_goes_and_a_statement_of_somebody_else_stays(
    init: Callable[[], Any], aws: LocalAws
) -> None:
    init()
    s3 = aws.client("s3", REGION)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    rule = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [*rules, rule]})
    other = {"Sid": "Audit", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [other]}))
    policy, lifecycle = init()["changes"]
    assert policy == "TLS-only policy: missing"
    assert '"tidy"' in lifecycle
    statements = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert [each["Sid"] for each in statements] == ["Audit", state_bucket.STATEMENT]


@pytest.mark.parametrize(
    ("call", "code"), [("head_bucket", "403"), ("create_bucket", "BucketAlreadyExists")], ids=["seen", "just taken"]
)
def test_a_bucket_of_another_account_is_refused_in_one_sentence(call: str, code: str) -> None:
    class S3:
        def head_bucket(self, **asked: Any) -> None:
            assert asked["ExpectedBucketOwner"] == ACCOUNT
            raise ClientError({"Error": {"Code": code if call == "head_bucket" else "404"}}, "HeadBucket")

        def create_bucket(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": code}}, "CreateBucket")

    bucket = StateBucket(S3(), BACKEND)
    with pytest.raises(CommandError, match=rf"^bucket {BUCKET} is not yours: it belongs to another account[^\n]*$"):
        bucket.exists() or bucket.create()


def test_no_key_is_made_beside_a_bucket_that_is_not_ours(
    init: Callable[[], Any], aws: LocalAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: StateBucket) -> bool:
        raise CommandError("not yours")

    monkeypatch.setattr(StateBucket, "exists", refuse)
    assert run(["backend", "init"]) == 1
    assert aws.client("kms", REGION).list_keys()["Keys"] == []


def test_a_key_that_somebody_switched_off_is_named_with_the_command_that_brings_it_back() -> None:
    key = {"KeyId": "k-1", "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT"}
    refuse_unusable(key | {"KeyState": "Enabled"})
    with pytest.raises(CommandError, match="PendingDeletion: `aws kms cancel-key-deletion --key-id k-1`"):
        refuse_unusable(key | {"KeyState": "PendingDeletion"})
    with pytest.raises(CommandError, match="Disabled: `aws kms enable-key --key-id k-1`"):
        refuse_unusable(key | {"KeyState": "Disabled"})
    with pytest.raises(CommandError, match="cannot encrypt a bucket"):
        refuse_unusable(key | {"KeyState": "Enabled", "KeySpec": "RSA_2048"})


def test_the_url_is_what_the_cli_takes_and_leads_to_another_s3_only_where_one_is_set() -> None:
    assert BACKEND.url() == f"s3://{BUCKET}?region={REGION}&awssdk=v2"
    local = f"s3://{BUCKET}?region={REGION}&endpoint=127.0.0.1:5000&disableSSL=true&s3ForcePathStyle=true"
    assert BACKEND.url("http://127.0.0.1:5000") == local
    assert "disableSSL=false" in BACKEND.url("https://s3.example.test")


def test_the_region_is_that_of_the_stacks_and_is_asked_for_where_they_differ() -> None:
    assert choose_region(None, [DEV], {"AWS_REGION": "us-east-1"}) == REGION
    assert choose_region("us-west-2", [DEV], {}) == "us-west-2"
    assert choose_region(None, [], {"AWS_REGION": "us-east-1"}) == "us-east-1"
    with pytest.raises(CommandError, match=r"dev in eu-central-1, prod in us-east-1.*--region"):
        choose_region(None, [DEV, StackFile("prod", "us-east-1", ())], {})
    with pytest.raises(CommandError, match="--region"):
        choose_region(None, [], {})


def test_what_comes_next_is_said_for_a_stack_that_lives_there_and_what_it_lacks() -> None:
    assert next_steps(BACKEND, [DEV]).note == ""
    closed = next_steps(BACKEND, [StackFile("dev", REGION, ("000000000000",))])
    assert "into aws:allowedAccountIds of Pulumi.dev.yaml" in closed.note
    elsewhere = next_steps(BACKEND, [StackFile("dev", "us-east-1", (ACCOUNT,))])
    assert (elsewhere.commands, REGION in elsewhere.note) == ((), True)


def test_the_same_rule_in_another_spelling_is_no_difference() -> None:
    want = wanted(BACKEND, "key")
    spelled = json.loads(json.dumps(want))
    spelled["TLS-only policy"]["Action"] = "s3:*"
    assert differences(want, spelled) == {}
    assert differences(want, {**want, "versioning": None}) == {"versioning": "missing"}
