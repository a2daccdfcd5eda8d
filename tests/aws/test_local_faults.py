"""Services of the local AWS fail and are slow on demand, and notices are taken back."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from localcloud.aws.in_process import LocalAws, local_aws


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.65") as made:
        yield made


def ask(aws: LocalAws, method: str, path: str, body: Any) -> None:
    data = json.dumps(body).encode()
    with urlopen(Request(f"{aws.url}/_local/{path}", data, method=method)) as answer:
        assert answer.status == 200


def test_one_service_fails_and_the_others_do_not(aws: LocalAws):
    ask(aws, "PUT", "faults", {"s3": {"status": 503}})
    with pytest.raises(ClientError) as failed:
        aws.client("s3").list_buckets()
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    aws.client("ec2").describe_instances()
    ask(aws, "PUT", "faults", {})
    aws.client("s3").list_buckets()


def test_all_services_fail_but_what_instances_and_operators_ask_locally(aws: LocalAws):
    ask(aws, "PUT", "faults", {"*": {"status": 500}})
    for service, call in (("s3", "list_buckets"), ("ec2", "describe_instances"), ("sqs", "list_queues")):
        with pytest.raises((ClientError, ResponseParserError)):  # a 503 need not be a document: SDKs ask again
            getattr(aws.client(service), call)()
    with urlopen(f"{aws.url}/_local/instances") as answer:
        assert json.load(answer) == []


def test_a_slow_service_answers_in_the_end(aws: LocalAws):
    ask(aws, "PUT", "faults", {"s3": {"delay_seconds": 0.3}})
    began = time.monotonic()
    aws.client("s3").list_buckets()
    assert time.monotonic() - began >= 0.3


def test_a_notice_that_is_taken_back_ends_nothing(aws: LocalAws):
    ec2 = aws.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    market = {"MarketType": "spot"}
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceMarketOptions=market)
    instance_id = made["Instances"][0]["InstanceId"]
    aws.tick(2)
    for cancelled, state in ((True, "running"), (False, "terminated")):
        ask(aws, "POST", "spot/interrupt", {"instance_id": instance_id, "notice_seconds": 10})
        if cancelled:
            ask(aws, "POST", "spot/cancel", {"instance_id": instance_id})
        aws.pass_seconds(11)
        (found,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]
        assert found["State"]["Name"] == state
