"""Requests about what a group keeps beside its instances: its warm pool, and the metrics that it publishes."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws.autoscaling import metrics, warm_pool
from localcloud.aws.autoscaling.errors import ValidationError
from localcloud.aws.autoscaling.group import LocalGroup


class SettingActions:
    """Mixed into the class that answers requests, which knows their parameters and the groups."""

    autoscaling_backend: Any
    _get_params: Any
    _get_param: Any

    def put_warm_pool(self) -> Any:
        """PutWarmPool; its errors name InstanceRefreshInProgress, so that an active refresh refuses it.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
        """
        group = self._group()
        group.refreshes.refuse_while_active()
        warm_pool.check_policy(group.mixed_instances_policy)
        group.warm_pool = warm_pool.changed(group.warm_pool, self._get_params())
        return EmptyResult()

    def describe_warm_pool(self) -> Any:
        """DescribeWarmPool; there is never an instance in it.

        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeWarmPool.html
        """
        pool = self._group().warm_pool
        return ActionResult({"Instances": [], **({"WarmPoolConfiguration": pool} if pool else {})})

    def delete_warm_pool(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteWarmPool.html"""
        group = self._group()
        if group.warm_pool is None:
            raise ValidationError(f"No warm pool found for Auto Scaling group {group.name}")
        group.warm_pool = None
        return EmptyResult()

    def enable_metrics_collection(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html"""
        group, granularity = self._group(), self._get_param("Granularity")
        group.metrics = metrics.with_metrics(group.metrics, self._get_param("Metrics", []), granularity)
        return EmptyResult()

    def disable_metrics_collection(self) -> Any:
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DisableMetricsCollection.html"""
        group = self._group()
        group.metrics = metrics.without_metrics(group.metrics, self._get_param("Metrics", []))
        return EmptyResult()

    def _group(self) -> LocalGroup:
        found: LocalGroup = self.autoscaling_backend.group(self._get_param("AutoScalingGroupName"))
        return found
