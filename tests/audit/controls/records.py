"""What the account writes down of itself: CloudTrail and Config. And tables, of which we have none."""

from collections.abc import Callable, Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls import buckets
from tests.audit.controls.control import ACCOUNT, Control, Look, Seen, unless


def trails(aws: LocalAws) -> list[Any]:
    found: list[Any] = aws.client("cloudtrail").describe_trails()["trailList"]
    return found


def _on(aws: LocalAws, trail: Any) -> bool:
    return bool(aws.client("cloudtrail").get_trail_status(Name=trail["TrailARN"])["IsLogging"])


def everything_is_recorded(aws: LocalAws) -> Iterator[Seen]:
    recorded = any(each["IsMultiRegionTrail"] and _on(aws, each) for each in trails(aws))
    yield ACCOUNT, unless(recorded, "has no trail of all regions")


def something_is_recorded(aws: LocalAws) -> Iterator[Seen]:
    yield ACCOUNT, unless(any(_on(aws, each) for each in trails(aws)), "has no trail")


def trail_has(key: str, wrong: str) -> Look:
    """Each trail has something set."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        for each in trails(aws):
            yield f"trail {each['Name']}", unless(each.get(key), wrong)

    return look


def buckets_of_trails(control: Callable[[LocalAws], Iterator[Seen]]) -> Look:
    """A control of buckets, of those alone that trails are written to."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        written = {f"bucket {each['S3BucketName']}" for each in trails(aws)}
        yield from (seen for seen in control(aws) if seen[0] in written)

    return look


def objects_are_recorded(wanted: str) -> Look:
    """Calls that read or write objects of all buckets."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        client = aws.client("cloudtrail")
        selectors = [
            selector
            for trail in trails(aws)
            for selector in client.get_event_selectors(TrailName=trail["TrailARN"]).get("EventSelectors", [])
            if selector["ReadWriteType"] in (wanted, "All")
        ]
        resources = [each for selector in selectors for each in selector.get("DataResources", [])]
        recorded = any(each["Type"] == "AWS::S3::Object" and "arn:aws:s3" in each["Values"] for each in resources)
        yield ACCOUNT, unless(recorded, f"has no trail of calls to objects ({wanted})")

    return look


def configuration_is_recorded(aws: LocalAws) -> Iterator[Seen]:
    client = aws.client("config")
    running = {
        each["name"]
        for each in client.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
        if each["recording"]
    }
    found = client.describe_configuration_recorders()["ConfigurationRecorders"]
    recorded = any(each["recordingGroup"].get("allSupported") and each["name"] in running for each in found)
    yield ACCOUNT, unless(recorded, "does not record its configuration")


def tables(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    client = aws.client("dynamodb")
    for name in client.list_tables()["TableNames"]:
        yield name, client.describe_table(TableName=name)["Table"]


def tables_can_be_restored(aws: LocalAws) -> Iterator[Seen]:
    for name, _ in tables(aws):
        backups = aws.client("dynamodb").describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        yield f"table {name}", unless(status == "ENABLED", "cannot be restored to a point in time")


def tables_are_protected(aws: LocalAws) -> Iterator[Seen]:
    for name, each in tables(aws):
        yield f"table {name}", unless(each.get("DeletionProtectionEnabled"), "can be deleted by one call")


IN_THE_CLEAR, UNVALIDATED = "is not encrypted by a key in KMS", "is not validated"
NOT_PUBLIC, LOGGED = buckets_of_trails(buckets.bucket_is_closed), buckets_of_trails(buckets.accesses_are_logged)

CONTROLS = (
    Control("CloudTrail.1", "A trail records all regions", everything_is_recorded),
    Control("CloudTrail.2", "Trails are encrypted", trail_has("KmsKeyId", IN_THE_CLEAR)),
    Control("CloudTrail.3", "There is a trail", something_is_recorded),
    Control("CloudTrail.4", "Trails are validated", trail_has("LogFileValidationEnabled", UNVALIDATED)),
    Control(
        "CloudTrail.5", "Trails go to CloudWatch Logs", trail_has("CloudWatchLogsLogGroupArn", "goes to no log group")
    ),
    Control("CloudTrail.6", "Buckets of trails are not public", NOT_PUBLIC),
    Control("CloudTrail.7", "Accesses to buckets of trails are logged", LOGGED),
    Control("DynamoDB.2", "Tables can be restored to a point in time", tables_can_be_restored),
    Control("DynamoDB.6", "Tables are protected from deletion", tables_are_protected),
    Control("CIS 4.1", "A trail records all regions", everything_is_recorded),
    Control("CIS 4.2", "Trails are validated", trail_has("LogFileValidationEnabled", UNVALIDATED)),
    Control("CIS 4.3", "Config records the account", configuration_is_recorded),
    Control("CIS 4.4", "Accesses to buckets of trails are logged", LOGGED),
    Control("CIS 4.5", "Trails are encrypted", trail_has("KmsKeyId", IN_THE_CLEAR)),
    Control("CIS 4.8", "Writes of objects are recorded", objects_are_recorded("WriteOnly")),
    Control("CIS 4.9", "Reads of objects are recorded", objects_are_recorded("ReadOnly")),
)
