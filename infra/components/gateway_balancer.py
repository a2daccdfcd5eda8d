"""The internal load balancer in front of the gateways: HTTPS with a certificate, plain HTTP without."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.log_bucket import LogBucket
from infra.components.network import Subnets
from infra.settings import HTTP

# TLS 1.2 and 1.3, forward secrecy only.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"


@dataclass(frozen=True)
class GatewayBalancerArgs:
    """Where the balancer listens, and where it sends.

    Attributes:
        port: of the listener; `target_port`, of the gateways.
        certificate_arn: of the listener; empty for plain HTTP.
        idle_seconds: how long it keeps a connection on which nothing moves.
        drain_seconds: how long a gateway that leaves keeps its connections.
        logs: the bucket of its access logs.
    """

    subnets: Subnets
    security_group_id: pulumi.Output[str]
    port: int
    target_port: int
    certificate_arn: str
    idle_seconds: int
    drain_seconds: int
    logs: LogBucket


class GatewayBalancer(pulumi.ComponentResource):
    """Without deletion protection, on purpose: it holds nothing, and `destroy` has to be able to remove it."""

    balancer: aws.lb.LoadBalancer
    targets: aws.lb.TargetGroup
    url: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:gateway_balancer:GatewayBalancer", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.balancer = self._balancer()
        self.targets = self._targets()
        self._listeners()
        scheme = "https" if args.certificate_arn else "http"
        self.url = self.balancer.dns_name.apply(lambda host: f"{scheme}://{host}:{args.port}")
        self.register_outputs({"url": self.url})

    def _balancer(self) -> aws.lb.LoadBalancer:
        args = self._args
        logs: aws.lb.LoadBalancerAccessLogsArgsDict = {
            "bucket": args.logs.name,
            "prefix": args.logs.balancer_prefix,
            "enabled": True,
        }
        return aws.lb.LoadBalancer(
            self._name,
            internal=True,
            load_balancer_type="application",
            security_groups=[args.security_group_id],
            subnets=[*args.subnets.private_subnet_ids],
            idle_timeout=args.idle_seconds,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            access_logs=logs,
            # Elastic Load Balancing writes a test object before it accepts the bucket.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.logs]),
        )

    def _targets(self) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            self._name,
            vpc_id=self._args.subnets.vpc_id,
            port=self._args.target_port,
            protocol="HTTP",
            target_type="instance",
            deregistration_delay=self._args.drain_seconds,
            health_check={
                "path": contract.PATH_HEALTH,
                "matcher": "200",
                "interval": 5,
                "timeout": 2,
                "healthy_threshold": 2,
                "unhealthy_threshold": 2,
            },
            opts=self._child,
        )

    def _listeners(self) -> None:
        args = self._args
        aws.lb.Listener(
            self._name,
            load_balancer_arn=self.balancer.arn,
            port=args.port,
            default_actions=[{"type": "forward", "target_group_arn": self.targets.arn}],
            protocol="HTTPS" if args.certificate_arn else "HTTP",
            certificate_arn=args.certificate_arn or None,
            ssl_policy=TLS_POLICY if args.certificate_arn else None,
            opts=self._child,
        )
        if args.certificate_arn:
            aws.lb.Listener(
                f"{self._name}-redirect",
                load_balancer_arn=self.balancer.arn,
                port=HTTP,
                protocol="HTTP",
                default_actions=[
                    {
                        "type": "redirect",
                        "redirect": {"protocol": "HTTPS", "port": str(args.port), "status_code": "HTTP_301"},
                    }
                ],
                opts=self._child,
            )


def client_ports(port: int, certificate_arn: str) -> Sequence[int]:
    """The ports that clients may come to."""
    return (port, HTTP) if certificate_arn else (port,)
