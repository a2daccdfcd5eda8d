"""Load balancers at addresses that this machine can bind, and targets as healthy as the checks found them."""

from typing import Any

from moto.elb.models import ELBBackend
from moto.elbv2.exceptions import DuplicateLoadBalancerName, ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus

from localcloud.aws import event_log
from localcloud.aws.cloud import current
from localcloud.aws.elbv2.access_logs import check_access_logs

# mypy: disallow-subclassing-any=False

NOT_USED = ("unused", "Target.NotInUse")
NOT_CHECKED = ("initial", "Elb.RegistrationInProgress")
HTTP_TIMEOUT_SECONDS, HTTP_PATH = 5, "/"  # what CreateTargetGroup takes for HTTP when nothing is given


class LocalELBBackend(ELBBackend):
    """Classic load balancers: moto's. The dispatcher asks this backend for the URLs of both kinds."""

    @property
    def _url_module(self) -> Any:
        from localcloud.aws.elbv2 import urls

        return urls


class LocalELBv2Backend(ELBv2Backend):
    """Load balancers, listeners and target groups of one region."""

    def create_load_balancer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Its DNS name is its address here: no resolver knows the names of this cloud.

        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
        """
        if any(each.name == name for each in self.load_balancers.values()):
            raise DuplicateLoadBalancerName
        balancer = super().create_load_balancer(name, *args, **kwargs)
        balancer.dns_name = current().addresses.take_balancer()
        return balancer

    def delete_load_balancer(self, arn: str) -> None:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html"""
        balancer = self.load_balancers.get(arn)
        if balancer and balancer.attrs.get("deletion_protection.enabled") == "true":
            text = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            raise ELBClientError("OperationNotPermitted", text)
        if balancer:
            current().addresses.give_back_balancer(balancer.dns_name)
        super().delete_load_balancer(arn)

    def modify_load_balancer_attributes(self, arn: str, attrs: dict[str, Any]) -> Any:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyLoadBalancerAttributes.html"""
        if balancer := self.load_balancers.get(arn):
            check_access_logs({**balancer.attrs, **attrs})
        return super().modify_load_balancer_attributes(arn, attrs)

    def create_target_group(self, name: str, **settings: Any) -> Any:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"""
        if (settings.get("healthcheck_protocol") or settings.get("protocol")) in ("HTTP", "HTTPS"):
            settings["healthcheck_timeout_seconds"] = (
                settings.get("healthcheck_timeout_seconds") or HTTP_TIMEOUT_SECONDS
            )
            settings["healthcheck_path"] = settings.get("healthcheck_path") or HTTP_PATH
        return super().create_target_group(name, **settings)

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        super().register_targets(target_group_arn, instances)
        current().events.add(event_log.BALANCERS_CHANGED)

    def deregister_targets(self, target_group_arn: str, instances: list[dict[str, Any]]) -> None:
        super().deregister_targets(target_group_arn, instances)
        for each in instances:
            current().target_health.get(target_group_arn, {}).pop(each["Id"], None)
        current().events.add(event_log.BALANCERS_CHANGED)

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        super().notify_terminate_instances(instance_ids)
        current().events.add(event_log.BALANCERS_CHANGED)

    def describe_target_health(self, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        """The load balancers' last reports.

        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
        """
        statuses = super().describe_target_health(target_group_arn, targets)
        group = self.target_groups[target_group_arn]
        return [
            self._reported(each, target_group_arn) if each.instance_id in group.targets else each for each in statuses
        ]

    def _reported(self, status: Any, arn: str) -> Any:
        reports = current().target_health.get(arn, {})
        state, reason = reports.get(status.instance_id, NOT_CHECKED) if self._any_listener_using(arn) else NOT_USED
        return FakeHealthStatus(status.instance_id, status.port, status.health_check_port, state, reason or None)
