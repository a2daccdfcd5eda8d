"""The nodes of one model: a spot group and an on-demand group that share one launch template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi_aws.autoscaling import GroupMixedInstancesPolicyArgsDict, GroupWarmPoolArgsDict

from inference_service import contract
from infra import firewall, lifecycle
from infra.alarms import FleetNames
from infra.components.launch_template import Machine, launch_template
from infra.components.network import Subnets
from infra.components.node_role import NodeRole
from infra.components.work_queue import WorkQueue
from infra.settings import Model

SPOT = "spot"
ON_DEMAND = "on-demand"


@dataclass(frozen=True)
class GpuFleetArgs:
    """One model, where its nodes live, and what they boot with.

    Attributes:
        gateway_security_group_id: of the gateways, which alone may call a node.
        ssh_security_group_id: whose members may connect by ssh; empty for nobody.
        tags: of every instance.
        planned: whether a planner sizes the groups.
        after: what must exist before an instance boots.
    """

    model: Model
    subnets: Subnets
    role: NodeRole
    jobs: WorkQueue
    gateway_security_group_id: pulumi.Output[str]
    ssh_security_group_id: str
    machine: Machine
    node_drain_seconds: int
    rebalance_reaction: str
    tags: dict[str, str]
    max_hourly_usd: int
    planned: bool
    after: Sequence[pulumi.Resource]


class GpuFleet(pulumi.ComponentResource):
    """Both groups begin with no instance: activating a model wakes them, and scaling owns their size from then on.

    Spot and on-demand are groups of their own because a mixed group never replaces lost spot by on-demand
    (https://github.com/eksctl-io/eksctl/issues/839): only two groups can be sized apart.
    """

    spot_group: aws.autoscaling.Group
    on_demand_group: aws.autoscaling.Group

    def __init__(self, name: str, args: GpuFleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:gpu_fleet:GpuFleet", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        security_group = self._security_group()
        self._template = launch_template(f"{name}-template", args.machine, security_group.id, self._child)
        model = args.model
        self.spot_group = self._group(SPOT, model.most_spot_nodes, lifecycle.ALL_SPOT)
        self.on_demand_group = self._group(
            ON_DEMAND, model.most_on_demand_nodes, lifecycle.ALL_ON_DEMAND, lifecycle.warm_pool(model.warm_pool_nodes)
        )
        args.role.allow_hooks([self.spot_group, self.on_demand_group])
        self.register_outputs({"spotGroup": self.spot_group.name, "onDemandGroup": self.on_demand_group.name})

    def groups(self) -> tuple[aws.autoscaling.Group, aws.autoscaling.Group]:
        return self.spot_group, self.on_demand_group

    def outputs(self) -> dict[str, Any]:
        """What the stack tells of this fleet; the names are contract.FLEET_*."""
        return {
            contract.FLEET_SPOT_GROUP: self.spot_group.name,
            contract.FLEET_ON_DEMAND_GROUP: self.on_demand_group.name,
            contract.FLEET_INITIAL_NODES: self._args.model.initial_nodes,
            contract.FLEET_ON_DEMAND_BASE: self._args.model.on_demand_base_nodes,
            contract.FLEET_JOBS_QUEUE: self._args.jobs.queue.url,
            contract.FLEET_DEAD_LETTERS_QUEUE: self._args.jobs.dead_letters.url,
            contract.FLEET_LAUNCH_HOOK: lifecycle.LAUNCH_HOOK,
            contract.FLEET_TERMINATE_HOOK: lifecycle.TERMINATE_HOOK,
        }

    def names(self) -> FleetNames:
        """What alarms and the dashboard call its parts."""
        jobs = self._args.jobs
        queues = jobs.queue.name, jobs.dead_letters.name
        return FleetNames(self._args.model.name, self.spot_group.name, self.on_demand_group.name, *queues)

    def _security_group(self) -> aws.ec2.SecurityGroup:
        """Nodes hear gateways alone, and call AWS alone."""
        args = self._args
        group = firewall.group(f"{self._name}-nodes", "Inference nodes", args.subnets.vpc_id, self._child)
        gateways = args.gateway_security_group_id
        firewall.allow_from_group(f"{self._name}-from-gateways", group.id, gateways, contract.NODE_PORT, self._child)
        firewall.allow_to_group(f"{self._name}-to-nodes", gateways, group.id, contract.NODE_PORT, self._child)
        firewall.allow_ssh(f"{self._name}-nodes", group.id, args.ssh_security_group_id, self._child)
        firewall.allow_https_out(f"{self._name}-to-aws", group.id, self._child)
        return group

    def _group(
        self,
        market: str,
        most: int,
        distribution: lifecycle.Distribution,
        warm_pool: GroupWarmPoolArgsDict | None = None,
    ) -> aws.autoscaling.Group:
        args, name = self._args, f"{self._name}-{market}"
        group = aws.autoscaling.Group(
            name,
            min_size=0,  # a base as MinSize would launch nodes that no model lets become warm
            max_size=most,
            desired_capacity=0,
            vpc_zone_identifiers=[*args.subnets.private_subnet_ids],
            health_check_type="EC2",
            # AZRebalance, and this unless it is asked for, would replace warm nodes behind the back of what scales.
            capacity_rebalance=market == SPOT and args.rebalance_reaction == contract.REBALANCE_REPLACE,
            suspended_processes=["AZRebalance"],
            # No model may be active yet: Pulumi must not wait for nodes that cannot become warm.
            wait_for_capacity_timeout="0",
            mixed_instances_policy=self._types(distribution),
            instance_refresh=lifecycle.REFRESH,
            warm_pool=warm_pool,
            max_instance_lifetime=lifecycle.LIFETIME_SECONDS,
            default_instance_warmup=lifecycle.SETTLED_SECONDS,
            enabled_metrics=lifecycle.metrics(),
            tags=lifecycle.group_tags({**args.tags, "Name": name}, args.max_hourly_usd),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*args.after, args.role.artifacts], ignore_changes=["desiredCapacity"]
            ),
        )
        self._hooks(name, group)
        return group

    def _types(self, distribution: lifecycle.Distribution) -> GroupMixedInstancesPolicyArgsDict:
        """One of the model's types, from a numbered version of the template: see lifecycle.REFRESH."""
        template = self._template
        return {
            "launch_template": {
                "launch_template_specification": {
                    "launch_template_id": template.id,
                    "version": template.latest_version.apply(str),
                },
                "overrides": [{"instance_type": each} for each in self._args.model.instance_types],
            },
            "instances_distribution": distribution.inputs(),
        }

    def _hooks(self, name: str, group: aws.autoscaling.Group) -> None:
        for hook in lifecycle.hooks(self._args.node_drain_seconds):
            aws.autoscaling.LifecycleHook(
                f"{name}-{hook.name}",
                name=hook.name,
                autoscaling_group_name=group.name,
                lifecycle_transition=hook.transition,
                heartbeat_timeout=hook.heartbeat_seconds,
                default_result=hook.default_result,
                # A planner lowers the timeout of launches to what is measured: infra/planner/hooks.py.
                opts=pulumi.ResourceOptions(
                    parent=self,
                    ignore_changes=["heartbeatTimeout"]
                    if self._args.planned and hook.name == lifecycle.LAUNCH_HOOK
                    else [],
                ),
            )
