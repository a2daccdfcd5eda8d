"""CloudWatch: log groups, alarms, dashboards."""

from typing import Any

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, camel, names, pascal
from localcloud.provider.values import Properties


class LogGroup(Handler):
    token = "aws:cloudwatch/logGroup:LogGroup"
    inputs = names("name retentionInDays kmsKeyId") | TAG_INPUTS
    outputs = names("arn") | inputs | TAG_OUTPUTS
    replaced_by = names("name")
    auto_name = AutoName(longest=512)

    def create(self, aws: Aws, inputs: Properties) -> str:
        key = {"kmsKeyId": inputs["kmsKeyId"]} if "kmsKeyId" in inputs else {}
        aws.client("logs").create_log_group(logGroupName=inputs["name"], tags=inputs.get("tags", {}), **key)
        return str(inputs["name"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        logs = aws.client("logs")
        if days := inputs.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=id_, retentionInDays=days)
        else:
            logs.delete_retention_policy(logGroupName=id_)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        logs = aws.client("logs")
        found = logs.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        group = next((each for each in found if each["logGroupName"] == id_), None)
        if group is None:
            raise GoneError(id_)
        arn = group["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "name": id_,
            **{name: group[name] for name in ("retentionInDays", "kmsKeyId") if group.get(name)},
            **tag_outputs(logs.list_tags_for_resource(resourceArn=arn)["tags"], aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.complete(aws, id_, inputs)
        logs, key = aws.client("logs"), inputs.get("kmsKeyId")
        if key and key != known.get("kmsKeyId"):
            logs.associate_kms_key(logGroupName=id_, kmsKeyId=key)
        elif known.get("kmsKeyId") and not key:
            logs.disassociate_kms_key(logGroupName=id_)
        arn, wanted = known["arn"], inputs.get("tags", {})
        if gone := [name for name in logs.list_tags_for_resource(resourceArn=arn)["tags"] if name not in wanted]:
            logs.untag_resource(resourceArn=arn, tagKeys=gone)
        if wanted:
            logs.tag_resource(resourceArn=arn, tags=wanted)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("logs").delete_log_group(logGroupName=id_)


_ALARM = (
    "alarmActions alarmDescription comparisonOperator datapointsToAlarm evaluationPeriods metricName namespace period "
    "statistic threshold treatMissingData"
)


class MetricAlarm(Handler):
    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    inputs = (
        names(f"name okActions dimensions {_ALARM}")
        | names("metricQueries.id metricQueries.expression metricQueries.label metricQueries.returnData")
        | names("metricQueries.metric.namespace metricQueries.metric.metricName metricQueries.metric.stat")
        | names("metricQueries.metric.period metricQueries.metric.dimensions")
        | TAG_INPUTS
    )
    outputs = names(f"arn name okActions dimensions metricQueries {_ALARM}") | TAG_OUTPUTS
    replaced_by = names("name")
    unordered = names("alarmActions okActions metricQueries")
    auto_name = AutoName(longest=255)

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        client = aws.client("cloudwatch")
        found = client.describe_alarms(AlarmNames=[id_])["MetricAlarms"]
        if not found:
            raise GoneError(id_)
        alarm = found[0]
        tags = as_mapping(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])
        wanted = names(_ALARM)
        given = {key: value for key, value in camel(alarm).items() if key in wanted}
        return {
            "arn": alarm["AlarmArn"],
            "name": id_,
            **{key: _whole(value) for key, value in given.items()},
            **({"okActions": alarm["OKActions"]} if alarm.get("OKActions") else {}),
            **({"dimensions": _mapping(alarm["Dimensions"])} if alarm.get("Dimensions") else {}),
            **({"metricQueries": [_query(each) for each in alarm["Metrics"]]} if alarm.get("Metrics") else {}),
            **tag_outputs(tags, aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self._put(aws, inputs)
        client, arn, wanted = aws.client("cloudwatch"), known["arn"], inputs.get("tags", {})
        present = as_mapping(client.list_tags_for_resource(ResourceARN=arn)["Tags"])
        if gone := [key for key in present if key not in wanted]:
            client.untag_resource(ResourceARN=arn, TagKeys=gone)
        if wanted:
            client.tag_resource(ResourceARN=arn, Tags=key_values(wanted))

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self.read(aws, id_, known)  # CloudWatch deletes what is not there without a word
        aws.client("cloudwatch").delete_alarms(AlarmNames=[id_])

    @staticmethod
    def _put(aws: Aws, inputs: Properties) -> None:
        given = pascal({key: inputs[key] for key in names(_ALARM) if key in inputs})
        if "okActions" in inputs:
            given["OKActions"] = inputs["okActions"]
        if "dimensions" in inputs:
            given["Dimensions"] = _list(inputs["dimensions"])
        if "metricQueries" in inputs:
            given["Metrics"] = [_metric(each) for each in inputs["metricQueries"]]
        tags = key_values(inputs.get("tags", {}))
        aws.client("cloudwatch").put_metric_alarm(AlarmName=inputs["name"], Tags=tags, **given)


class Dashboard(Handler):
    token = "aws:cloudwatch/dashboard:Dashboard"
    inputs = names("dashboardName dashboardBody")
    outputs = names("dashboardArn region") | inputs
    replaced_by = names("dashboardName")
    json_inputs = names("dashboardBody")

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("cloudwatch").put_dashboard(
            DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
        )
        return str(inputs["dashboardName"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("cloudwatch").get_dashboard(DashboardName=id_)
        arn = found["DashboardArn"]
        return {
            "dashboardArn": arn,
            "dashboardName": id_,
            "dashboardBody": found["DashboardBody"],
            "region": aws.region,
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("cloudwatch").delete_dashboards(DashboardNames=[id_])


def _metric(query: Properties) -> dict[str, Any]:
    """A metric query as PutMetricAlarm takes it."""
    given: dict[str, Any] = pascal({key: value for key, value in query.items() if key != "metric"})
    if metric := query.get("metric"):
        described = {"Namespace": metric["namespace"], "MetricName": metric["metricName"]}
        described["Dimensions"] = _list(metric.get("dimensions", {}))
        given["MetricStat"] = {"Metric": described, "Stat": metric["stat"], "Period": metric["period"]}
    return given


def _query(given: dict[str, Any]) -> Properties:
    """The way back from `_metric`."""
    query: Properties = camel({key: value for key, value in given.items() if key != "MetricStat"})
    query["returnData"] = given.get("ReturnData", True)
    if stat := given.get("MetricStat"):
        metric = stat["Metric"]
        query["metric"] = {
            "namespace": metric["Namespace"],
            "metricName": metric["MetricName"],
            "stat": stat["Stat"],
            "period": stat["Period"],
            **({"dimensions": _mapping(metric["Dimensions"])} if metric.get("Dimensions") else {}),
        }
    return query


def _list(dimensions: Properties) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in sorted(dimensions.items())]


def _mapping(dimensions: list[dict[str, str]]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in dimensions}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
