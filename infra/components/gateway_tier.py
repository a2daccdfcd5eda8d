"""The gateways: a small group that is always on, behind an internal load balancer."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra import firewall, lifecycle
from infra.components.launch_template import Machine, launch_template
from infra.components.network import Network

BOOT_SECONDS = 300  # from launch to healthy, before an unhealthy gateway is replaced


@dataclass(frozen=True)
class GatewayTierArgs:
    """How many gateways, who may reach them, and what they boot with.

    Attributes:
        port: of the load balancer's listener; `instance_port`, of the gateways themselves.
        client_cidrs: ranges that may connect to the load balancer.
        idle_seconds: how long the load balancer keeps a silent connection.
        after: what must exist before an instance boots.
    """

    network: Network
    nodes: int
    port: int
    instance_port: int
    client_cidrs: Sequence[str]
    idle_seconds: int
    drain_seconds: int
    tags: dict[str, str]
    after: Sequence[pulumi.Resource]


class GatewayTier(pulumi.ComponentResource):
    """Load balancer, target group and group. A gateway is a healthy target while no node is warm, too."""

    url: pulumi.Output[str]
    group: aws.autoscaling.Group
    security_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: GatewayTierArgs, machine: Machine, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("warmfleet:gateway_tier:GatewayTier", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        balancer_group, gateway_group = self._security_groups()
        balancer, targets = self._balancer(balancer_group.id)
        self.group = self._group(machine, gateway_group.id, targets)
        self.security_group_id = gateway_group.id
        self.url = balancer.dns_name.apply(lambda host: f"http://{host}:{args.port}")
        self.register_outputs({"url": self.url, "group": self.group.name})

    def _security_groups(self) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
        """Clients reach the load balancer, the load balancer the gateways; nobody else reaches either."""
        name, vpc, port = self._name, self._args.network.vpc_id, self._args.instance_port
        balancer = firewall.group(f"{name}-balancer", "Load balancer of the gateways", vpc, self._child)
        gateways = firewall.group(f"{name}-gateways", "Gateways", vpc, self._child)
        for number, cidr in enumerate(self._args.client_cidrs):
            client = f"{name}-from-clients-{number}"
            firewall.allow_from_range(client, balancer.id, cidr, self._args.port, self._child)
        firewall.allow_to_group(f"{name}-to-gateways", balancer.id, gateways.id, port, self._child)
        firewall.allow_from_group(f"{name}-from-balancer", gateways.id, balancer.id, port, self._child)
        firewall.allow_https_out(f"{name}-to-aws", gateways.id, self._child)
        return balancer, gateways

    def _balancer(self, security_group_id: pulumi.Output[str]) -> tuple[aws.lb.LoadBalancer, aws.lb.TargetGroup]:
        args = self._args
        balancer = aws.lb.LoadBalancer(
            self._name,
            internal=True,
            load_balancer_type="application",
            security_groups=[security_group_id],
            subnets=args.network.private_subnet_ids,
            idle_timeout=args.idle_seconds,
            drop_invalid_header_fields=True,
            opts=self._child,
        )
        targets = aws.lb.TargetGroup(
            self._name,
            vpc_id=args.network.vpc_id,
            port=args.instance_port,
            protocol="HTTP",
            target_type="instance",
            deregistration_delay=args.drain_seconds,
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
        aws.lb.Listener(
            self._name,
            load_balancer_arn=balancer.arn,
            port=args.port,
            protocol="HTTP",
            default_actions=[{"type": "forward", "target_group_arn": targets.arn}],
            opts=self._child,
        )
        return balancer, targets

    def _group(
        self, machine: Machine, security_group_id: pulumi.Output[str], targets: aws.lb.TargetGroup
    ) -> aws.autoscaling.Group:
        args = self._args
        template = launch_template(f"{self._name}-template", machine, security_group_id, self._child)
        return aws.autoscaling.Group(
            self._name,
            min_size=args.nodes,
            max_size=args.nodes + 1,  # room for the next one while one is replaced
            desired_capacity=args.nodes,
            vpc_zone_identifiers=args.network.private_subnet_ids,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            target_group_arns=[targets.arn],
            health_check_type="ELB",
            health_check_grace_period=BOOT_SECONDS,
            wait_for_capacity_timeout="0",
            tags=lifecycle.group_tags({**args.tags, "Name": self._name}),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*args.after]),
        )
