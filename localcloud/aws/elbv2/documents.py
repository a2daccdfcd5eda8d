"""Load balancers as the process that balances reads them (localcloud/admin.py)."""

from typing import Any

from moto.elbv2.models import elbv2_backends

from localcloud.aws.cloud import ACCOUNT, current

IDLE_SECONDS = (
    60  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
)


def describe_balancers() -> list[dict[str, Any]]:
    """Every load balancer with its listeners that forward, and the target groups these forward to."""
    with current().lock:
        backends = list(elbv2_backends[ACCOUNT].values())
        return [_balancer(each, backend) for backend in backends for each in backend.load_balancers.values()]


def _balancer(balancer: Any, backend: Any) -> dict[str, Any]:
    listeners = [each for each in map(_listener, balancer.listeners.values()) if each["target_group_arn"]]
    arns = sorted({each["target_group_arn"] for each in listeners})
    return {
        "name": balancer.name,
        "address": balancer.dns_name,
        "idle_timeout_seconds": int(balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_SECONDS)),
        "listeners": listeners,
        "target_groups": [_target_group(backend.target_groups[each], backend) for each in arns],
    }


def _listener(listener: Any) -> dict[str, Any]:
    return {
        "port": int(listener.port),
        "protocol": listener.protocol,
        "target_group_arn": next(filter(None, map(_forwarded_to, listener.default_actions)), None),
    }


def _forwarded_to(action: Any) -> str | None:
    """The target group of a forward action; of a weighted one the heaviest: weights are not simulated."""
    if action.type != "forward":
        return None
    weighted = action.data.get("ForwardConfig", {}).get("TargetGroups", [])
    arn: str | None = action.data.get("TargetGroupArn")
    if not arn and weighted:
        arn = max(weighted, key=lambda each: int(each.get("Weight", 1)))["TargetGroupArn"]
    return arn


def _target_group(group: Any, backend: Any) -> dict[str, Any]:
    targets = [_target(each, group, backend) for each in group.targets.values()]
    return {
        "arn": group.arn,
        "health_check": {
            "path": group.health_check_path or "/",
            "port": str(group.health_check_port),
            "interval_seconds": int(group.health_check_interval_seconds),
            "timeout_seconds": int(group.health_check_timeout_seconds),
            "healthy_threshold": int(group.healthy_threshold_count),
            "unhealthy_threshold": int(group.unhealthy_threshold_count),
            "matcher": (group.matcher or {}).get("HttpCode", "200"),
        },
        "targets": [each for each in targets if each["address"]],
    }


def _target(target: dict[str, Any], group: Any, backend: Any) -> dict[str, Any]:
    instance = backend.ec2_backend.get_instance_by_id(target["Id"]) if group.target_type == "instance" else None
    address = target["Id"] if group.target_type == "ip" else instance.private_ip if instance else None
    return {"instance_id": target["Id"], "address": address, "port": int(target.get("Port") or group.port)}
