"""moto's CloudWatch backend; a figure that brings no time gets the cloud's, in which schedules and groups live too."""

from typing import Any

from moto.cloudwatch.models import CloudWatchBackend

from localcloud.aws.cloud import current

# mypy: disallow-subclassing-any=False


class LocalCloudWatchBackend(CloudWatchBackend):
    """CloudWatch of one region."""

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """PutMetricData: "the timestamp is set to the current UTC time" where none is given.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
        """
        clock = current().clock
        now = clock.cloud_date(clock.now()).replace(tzinfo=None)  # as moto keeps dates
        super().put_metric_data(namespace, [{"Timestamp": now, **one} for one in metric_data])
