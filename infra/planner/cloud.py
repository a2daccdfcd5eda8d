"""The calls to AWS that the handler makes: read, remember, act. Decides nothing.

boto3's clients are parameters, so that the same calls run on AWS, on moto and in the local cloud.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from infra.planner.model import Plan

METRICS_LATEST_SECONDS = 180.0  # older figures are no figures
LOADS_LATEST_SECONDS = 150.0  # a gateway reports each minute; one that missed two is gone
RECEIVES = 5  # batches of ten notices a minute
KINDS = {"EC2 Spot Instance Interruption Warning": "notice", "EC2 Instance Rebalance Recommendation": "rebalance"}


class OverlapError(Exception):
    """Another run wrote the state in the meantime: it acts, this one does not."""


NAMES = ("autoscaling", "cloudwatch", "s3", "sqs", "service-quotas")  # of Clients, in its order


@dataclass(frozen=True)
class Clients:
    """boto3 clients of the account and region of the stack."""

    autoscaling: Any
    cloudwatch: Any
    s3: Any
    sqs: Any
    quotas: Any


@dataclass(frozen=True)
class Figures:
    """The newest whole minute of a model's requests that every gateway has reported; None where there is none of late.

    `minute` is which one (Unix time by 60); `reporting` is how many gateways reported the newest minute, however few.
    """

    reporting: int
    minute: int | None
    offered_tokens: float | None
    waiting_tokens: float
    answered: float
    late: float


def read_json(s3: Any, bucket: str, key: str) -> tuple[Any, str | None]:
    """An object and its ETag; None for both where there is none."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None, None
    return json.loads(answer["Body"].read()), answer["ETag"]


def vcpu_limits(quotas: Any, codes: Iterable[str]) -> dict[str, int]:
    """vCPUs by the code of a quota; what cannot be read is no limit: launches above it fail, as without a planner."""
    found = {}
    for code in sorted(codes):
        try:
            found[code] = int(quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
        except (ClientError, BotoCoreError) as error:
            print(f"quota {code} cannot be read: {error}")
    return found


def served(s3: Any, bucket: str, model: str) -> str | None:
    """Which version a node that is launched now would serve, in words; None while none was ever activated.

    During a wave it is one of two, and their pair is a combination of its own for the launch breaker.
    """
    pointer, _ = read_json(s3, bucket, contract.pointer_key(model))
    if not pointer:
        return None
    current, candidate = pointer["current"]["version"], pointer["candidate"]
    wave = f" or {candidate['version']}" if candidate and pointer["wave_percent"] else ""
    return f"model version {current}{wave}"


def node_loads(s3: Any, bucket: str, model: str) -> dict[str, int]:
    """Requests in flight by instance id, as the gateways reported of late; the highest figure of each node.

    A report's age is told by S3's own clock alone.
    """
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=contract.node_loads_prefix(model))
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    found: dict[str, int] = {}
    for each in answer.get("Contents", []):
        if (now - each["LastModified"]).total_seconds() <= LOADS_LATEST_SECONDS:
            report, _ = read_json(s3, bucket, each["Key"])
            for instance, count in (report or {}).get("in_flight", {}).items():
                found[instance] = max(found.get(instance, 0), count)
    return found


def write_json(s3: Any, bucket: str, key: str, document: Any, etag: str | None) -> None:
    """Replace the object that had this ETag, or make it where there was none.

    Raises:
        OverlapError: it is another one by now (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
    """
    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=json.dumps(document).encode(), ContentType="application/json", **condition
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            raise OverlapError(f"{key} was written by another run") from error
        raise


def describe(autoscaling: Any, names: Sequence[str]) -> dict[str, Any]:
    """The groups by name.

    Raises:
        LookupError: one of them does not exist.
    """
    answer = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(names))
    found = {group["AutoScalingGroupName"]: group for group in answer["AutoScalingGroups"]}
    if missing := [name for name in names if name not in found]:
        raise LookupError(f"no Auto Scaling group {', '.join(missing)}")
    return found


def read_figures(cloudwatch: Any, environment: str, model: str, now: float, gateways: int) -> Figures:
    """The newest minute that all `gateways` have reported: not the running one.

    Each sends one figure a minute, so that their number is that of the samples. A minute that lacks one gateway's is
    no figure: its share of the demand would look as if nobody had asked.
    """
    names = (
        contract.METRIC_OFFERED_TOKENS,
        contract.METRIC_WAITING_TOKENS,
        contract.METRIC_ANSWERED_REQUESTS,
        contract.METRIC_LATE_REQUESTS,
    )
    end = datetime.fromtimestamp(now // 60 * 60, UTC)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            *(_query(f"m{i}", name, "Sum", environment, model) for i, name in enumerate(names)),
            _query("reports", contract.METRIC_OFFERED_TOKENS, "SampleCount", environment, model),
        ],
        StartTime=end - timedelta(seconds=METRICS_LATEST_SECONDS),
        EndTime=end,
        ScanBy="TimestampDescending",
    )
    results = answer["MetricDataResults"]
    series = {one["Id"]: dict(zip(one["Timestamps"], one["Values"], strict=True)) for one in results}
    reports = series["reports"]
    newest = max((minute for minute, count in reports.items() if count >= gateways), default=None)
    offered, waiting, answered, late = (series[f"m{i}"].get(newest) for i in range(len(names)))
    return Figures(
        reporting=int(reports[max(reports)]) if reports else 0,
        minute=None if newest is None else int(newest.timestamp() // 60),
        offered_tokens=offered,
        waiting_tokens=waiting or 0.0,
        answered=answered or 0.0,
        late=late or 0.0,
    )


def _query(id_: str, name: str, statistic: str, environment: str, model: str) -> dict[str, Any]:
    metric = {
        "Namespace": contract.NAMESPACE_WARMFLEET,
        "MetricName": name,
        "Dimensions": contract.model_dimensions(environment, model),
    }
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}


def receive_events(sqs: Any, queue_url: str) -> tuple[dict[str, str], list[str]]:
    """Notices and recommendations by instance id, and the receipts of every message read."""
    events: dict[str, str] = {}
    receipts: list[str] = []
    for _ in range(RECEIVES):
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        messages = answer.get("Messages", [])
        for message in messages:
            receipts.append(message["ReceiptHandle"])
            event = json.loads(message["Body"])
            kind = KINDS.get(event.get("detail-type", ""))
            instance = event.get("detail", {}).get("instance-id")
            if kind and instance and events.get(instance) != "notice":
                events[instance] = kind
        if not messages:
            break
    return events, receipts


def forget_events(sqs: Any, queue_url: str, receipts: Sequence[str]) -> None:
    for start in range(0, len(receipts), 10):
        entries = [{"Id": str(i), "ReceiptHandle": each} for i, each in enumerate(receipts[start : start + 10])]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


def publish(cloudwatch: Any, environment: str, model: str, plan: Plan, spot: Mapping[str, bool]) -> None:
    """What was wanted and expected, for dashboard and alarms; arithmetic on them needs no Lambda."""
    wanted = {True: 0, False: 0}
    for target in plan.targets:
        wanted[spot[target.pool]] += target.desired
    figures = {
        contract.METRIC_PLANS: 1.0,
        contract.METRIC_WANTED_SPOT: float(wanted[True]),
        contract.METRIC_WANTED_ON_DEMAND: float(wanted[False]),
        contract.METRIC_EXPECTED_DEMAND: plan.expected.demand_replicas,
        contract.METRIC_EXPECTED_READY: plan.expected.ready_replicas,
        contract.METRIC_EXPECTED_READY_SECONDS: plan.expected.horizon_seconds,
        contract.METRIC_WARM_UP_P50: plan.state.warm_ups.quantile(0.5),
        contract.METRIC_WARM_UP_P90: plan.state.warm_ups.quantile(0.9),
        contract.METRIC_WARM_UP_P99: plan.state.warm_ups.quantile(0.99),
        contract.METRIC_REFUSALS: float(len(plan.refusals)),
    }
    dimensions = contract.model_dimensions(environment, model)
    data = [{"MetricName": name, "Dimensions": dimensions, "Value": value} for name, value in figures.items()]
    cloudwatch.put_metric_data(Namespace=contract.NAMESPACE_WARMFLEET, MetricData=data)
