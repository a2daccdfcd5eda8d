"""Collects the state of fleets: groups from Auto Scaling, instances from EC2, reports from the gateway, pointers."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference_service import contract
from inference_service.artifacts import ArtifactStore
from infra.planner.cloud import read_json
from localcloud import control
from scripts import gateway_client
from scripts.fleet_state import IN_SERVICE, FleetState, Group, Node, Trouble, merge_report
from scripts.gateway_client import GatewayError
from scripts.stack_outputs import FleetOutputs
from scripts.stack_target import StackTarget

FAILED_ACTIVITIES = ("Failed", "Cancelled")


@dataclass(frozen=True)
class Reading:
    """All fleets of a stack at one moment. `silence` is why the gateway gave no report, None when it did."""

    fleets: tuple[FleetState, ...]
    gateway_group: Group | None
    silence: str | None
    troubles: tuple[Trouble, ...]

    def fleet(self, model: str) -> FleetState:
        return next(fleet for fleet in self.fleets if fleet.model == model)


def read(target: StackTarget, ask_gateway: Callable[[str], list[dict[str, Any]]] = gateway_client.nodes) -> Reading:
    """Ask everyone once. Raises botocore's errors and ArtifactError; a silent gateway is part of the answer."""
    autoscaling = target.aws.client("autoscaling")
    fleets = target.outputs.fleets
    names = [name for fleet in fleets for name in fleet.groups] + [target.outputs.gateway_group]
    described = _groups(autoscaling, names)
    instances = _instances(target.aws.client("ec2"), described.values())
    reports, silence = _reports(target.outputs.gateway_url, ask_gateway)
    s3 = target.aws.client("s3")
    store = ArtifactStore(s3, target.outputs.bucket)
    found = tuple(_fleet(fleet, described, instances, reports, store, autoscaling) for fleet in fleets)
    gateway = described.get(target.outputs.gateway_group)
    return Reading(
        fleets=tuple(replace(each, refusals=_refusals(s3, target.outputs.bucket, each.model)) for each in found),
        gateway_group=_group(gateway, "gateway", autoscaling) if gateway else None,
        silence=silence,
        troubles=_troubles(target.root) if target.cloud else (),
    )


def _refusals(s3: Any, bucket: str, model: str) -> tuple[str, ...]:
    """Of the planner's last plan; none where there is no planner."""
    document, _ = read_json(s3, bucket, contract.scaling_state_key(model))
    return tuple(document["told"]["refusals"]) if document else ()


def _troubles(root: Path) -> tuple[Trouble, ...]:
    return tuple(Trouble(each.resource, each.text, each.remedy) for each in control.problems(root))


def _groups(autoscaling: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    pages = autoscaling.get_paginator("describe_auto_scaling_groups").paginate(AutoScalingGroupNames=names)
    return {group["AutoScalingGroupName"]: group for page in pages for group in page["AutoScalingGroups"]}


def _instances(ec2: Any, groups: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    ids = [instance["InstanceId"] for group in groups for instance in group.get("Instances", [])]
    if not ids:
        return {}
    filters = [{"Name": "instance-id", "Values": ids}]  # a filter: an id that has just gone is no error
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    return {
        instance["InstanceId"]: instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    }


def _reports(
    url: str, ask_gateway: Callable[[str], list[dict[str, Any]]]
) -> tuple[dict[str, dict[str, Any]], str | None]:
    try:
        return {node["instance_id"]: node for node in ask_gateway(url)}, None
    except GatewayError as error:
        return {}, str(error).removesuffix("; `warmfleet status` says what is missing")


def _fleet(
    outputs: FleetOutputs,
    described: Mapping[str, dict[str, Any]],
    instances: Mapping[str, dict[str, Any]],
    reports: Mapping[str, dict[str, Any]],
    store: ArtifactStore,
    autoscaling: Any,
) -> FleetState:
    markets = {"spot": outputs.spot_group, "on-demand": outputs.on_demand_group}
    present = {market: described[name] for market, name in markets.items() if name and name in described}
    nodes = [
        _node(outputs.model, market, member, instances.get(member["InstanceId"], {}), reports)
        for market, group in present.items()
        for member in group.get("Instances", [])
    ]
    read = store.read_pointer(outputs.model)
    pointer = read[0] if read else None
    return FleetState(
        model=outputs.model,
        groups=tuple(_group(group, market, autoscaling) for market, group in present.items()),
        nodes=tuple(nodes),
        lost_groups=tuple(name for name in outputs.groups if name not in described),
        current=pointer.current.version if pointer else None,
        previous=pointer.previous.version if pointer and pointer.previous else None,
        candidate=pointer.candidate.version if pointer and pointer.candidate else None,
        wave_percent=pointer.wave_percent if pointer else 0,
    )


def _group(group: Mapping[str, Any], market: str, autoscaling: Any) -> Group:
    members = group.get("Instances", [])
    plain = Group(
        name=group["AutoScalingGroupName"],
        market=market,
        desired=group["DesiredCapacity"],
        most=group["MaxSize"],
        in_service=sum(member["LifecycleState"] == IN_SERVICE for member in members),
        instances=len(members),
        suspended=tuple(each["ProcessName"] for each in group.get("SuspendedProcesses", [])),
    )
    return replace(plain, failure=_failure(autoscaling, plain)) if plain.instances < plain.desired else plain


def _failure(autoscaling: Any, group: Group) -> str | None:
    """Why the group's last activity failed; asked only when something is missing."""
    from botocore.exceptions import ClientError

    with contextlib.suppress(ClientError):  # the groups' own words are a help, not a condition
        answer = autoscaling.describe_scaling_activities(AutoScalingGroupName=group.name, MaxRecords=1)
        for activity in answer.get("Activities", []):
            if activity.get("StatusCode") in FAILED_ACTIVITIES:
                return str(activity.get("StatusMessage") or activity.get("Cause") or activity["StatusCode"])
    return None


def _node(
    model: str,
    market: str,
    member: Mapping[str, Any],
    instance: Mapping[str, Any],
    reports: Mapping[str, dict[str, Any]],
) -> Node:
    instance_id = member["InstanceId"]
    node = Node(
        instance_id=instance_id,
        model=model,
        instance_type=member.get("InstanceType") or instance.get("InstanceType", ""),
        market="spot" if instance.get("InstanceLifecycle") == "spot" else market,
        zone=member.get("AvailabilityZone", ""),
        lifecycle=member["LifecycleState"],
    )
    return merge_report(node, reports[instance_id]) if instance_id in reports else node
