"""The gateways: a small group that is always on, behind an internal load balancer."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import firewall, lifecycle
from infra.components.gateway_balancer import GatewayBalancer, GatewayBalancerArgs, client_ports
from infra.components.launch_template import Machine, launch_template
from infra.components.log_bucket import LogBucket
from infra.components.network import Subnets

BOOT_SECONDS = 300  # from launch to healthy, before an unhealthy gateway is replaced


@dataclass(frozen=True)
class GatewayTierArgs:
    """How many gateways, who may reach them, and what they boot with.

    Attributes:
        port: of the load balancer's listener; `instance_port`, of the gateways themselves.
        certificate_arn: of the load balancer; empty for plain HTTP.
        allowed_cidrs: ranges that may connect to the load balancer.
        ssh_security_group_id: whose members may connect to gateways by ssh; empty for nobody.
        idle_seconds: how long the load balancer keeps a silent connection.
        after: what must exist before an instance boots.
    """

    subnets: Subnets
    nodes: int
    port: int
    instance_port: int
    certificate_arn: str
    allowed_cidrs: Sequence[str]
    ssh_security_group_id: str
    idle_seconds: int
    drain_seconds: int
    logs: LogBucket
    tags: dict[str, str]
    max_hourly_usd: int
    after: Sequence[pulumi.Resource]


class GatewayTier(pulumi.ComponentResource):
    """Load balancer and group. A gateway is a healthy target while no node is warm, too."""

    front: GatewayBalancer
    group: aws.autoscaling.Group
    security_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: GatewayTierArgs, machine: Machine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("warmfleet:gateway_tier:GatewayTier", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        balancer_group, gateway_group = self._security_groups()
        self.security_group_id = gateway_group.id
        self.front = GatewayBalancer(
            name,
            GatewayBalancerArgs(
                subnets=args.subnets,
                security_group_id=balancer_group.id,
                port=args.port,
                target_port=args.instance_port,
                certificate_arn=args.certificate_arn,
                idle_seconds=args.idle_seconds,
                drain_seconds=args.drain_seconds,
                logs=args.logs,
            ),
            self._child,
        )
        self.group = self._group(machine)
        self.register_outputs({"url": self.front.url, "group": self.group.name})

    def _security_groups(self) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
        """Clients reach the load balancer, the load balancer the gateways; nobody else reaches either."""
        name, args, vpc, port = self._name, self._args, self._args.subnets.vpc_id, self._args.instance_port
        balancer = firewall.group(f"{name}-balancer", "Load balancer of the gateways", vpc, self._child)
        gateways = firewall.group(f"{name}-gateways", "Gateways", vpc, self._child)
        for number, cidr in enumerate(args.allowed_cidrs):
            for client_port in client_ports(args.port, args.certificate_arn):
                client = f"{name}-from-clients-{number}-{client_port}"
                firewall.allow_from_range(client, balancer.id, cidr, client_port, self._child)
        firewall.allow_to_group(f"{name}-to-gateways", balancer.id, gateways.id, port, self._child)
        firewall.allow_from_group(f"{name}-from-balancer", gateways.id, balancer.id, port, self._child)
        # Session Manager forwards through a gateway to the load balancer: `warmfleet ask --stack`.
        firewall.allow_to_group(f"{name}-to-balancer", gateways.id, balancer.id, args.port, self._child)
        firewall.allow_from_group(f"{name}-from-gateways", balancer.id, gateways.id, args.port, self._child)
        firewall.allow_ssh(f"{name}-gateways", gateways.id, args.ssh_security_group_id, self._child)
        firewall.allow_https_out(f"{name}-to-aws", gateways.id, self._child)
        return balancer, gateways

    def _group(self, machine: Machine) -> aws.autoscaling.Group:
        args = self._args
        template = launch_template(f"{self._name}-template", machine, self.security_group_id, self._child)
        return aws.autoscaling.Group(
            self._name,
            min_size=args.nodes,
            max_size=args.nodes + 1,  # room for the next one while one is replaced
            desired_capacity=args.nodes,
            vpc_zone_identifiers=[*args.subnets.private_subnet_ids],
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            target_group_arns=[self.front.targets.arn],
            health_check_type="ELB",
            health_check_grace_period=BOOT_SECONDS,
            instance_refresh=lifecycle.REFRESH,
            max_instance_lifetime=lifecycle.LIFETIME_SECONDS,
            default_instance_warmup=lifecycle.SETTLED_SECONDS,
            enabled_metrics=lifecycle.metrics(),
            wait_for_capacity_timeout="0",
            tags=lifecycle.group_tags({**args.tags, "Name": self._name}, args.max_hourly_usd),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.after]),
        )
