"""Jobs beside the clients' requests: sent before something strikes, and each result looked at in all its versions."""

import json
import time
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from inference_service import contract
from inference_service.jobs import Job
from scripts.chaos.fleet import BUCKET, MODEL, Fleet
from scripts.chaos.ledger import Entry
from scripts.job_batches import packed

PATIENCE_SECONDS = 90.0  # from the end of the load; a lost node's job comes back after the queue's 15 s
LOOK_SECONDS = 0.5


def send(fleet: Fleet, entries: Sequence[Entry]) -> None:
    """Queue one job for each entry, again where SQS refuses it; what SQS has taken is accepted."""
    queued = [Job(each.key, MODEL, {"messages": [{"role": "user", "content": each.expected}]}) for each in entries]
    for part in packed([job.to_message() for job in queued]):
        listed = [{"Id": str(place), "MessageBody": text} for place, text in enumerate(part)]
        _taken(fleet, listed)
    for each in entries:
        each.accepted = True


def _taken(fleet: Fleet, messages: Sequence[Any]) -> None:
    """A batch that was refused is sent again as it is: a job that is queued twice has one effect all the same."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fleet.client("sqs").send_message_batch(QueueUrl=fleet.jobs_url, Entries=messages)
            return
        except ClientError:  # struck while jobs are still sent
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_SECONDS)


def collect(fleet: Fleet, entries: Sequence[Entry]) -> None:
    """Wait for the results, and for the end of the queue; every version of a result is an effect."""
    if not entries:
        return
    known = {contract.job_result_key(each.key): each for each in entries}
    prefix = contract.JOBS_PREFIX + entries[0].key.rpartition("-")[0]  # not those that earlier scenarios left
    until, versions = time.monotonic() + PATIENCE_SECONDS, _versions(fleet, prefix)
    while (known.keys() - {each["Key"] for each in versions} or _queued(fleet)) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        versions = _versions(fleet, prefix)
    versions = _versions(fleet, prefix)
    for version in versions:
        if entry := known.get(version["Key"]):
            entry.answers.append(_text(fleet, version))


def _queued(fleet: Fleet) -> int:
    """Jobs that wait, and those that a node has been given and not deleted: it may do them, or another one again."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = fleet.client("sqs").get_queue_attributes(QueueUrl=fleet.jobs_url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def _versions(fleet: Fleet, prefix: str) -> list[dict[str, Any]]:
    pages = fleet.client("s3").get_paginator("list_object_versions").paginate(Bucket=BUCKET, Prefix=prefix)
    return [each for page in pages for each in page.get("Versions", [])]


def _text(fleet: Fleet, version: dict[str, Any]) -> str:
    found = fleet.client("s3").get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    document = json.load(found["Body"])
    return str(document["response"]["choices"][0]["message"]["content"] if document["response"] else document)
