"""The outputs of a stack, checked: what every command knows about what was provisioned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from scripts.exit_codes import USAGE, CommandError


@dataclass(frozen=True)
class FleetOutputs:
    """One model's fleet. A group that the stack does not have is None.

    The first activation asks for `initial_nodes`, and for `on_demand_base` on-demand nodes beside them.
    """

    model: str
    spot_group: str | None
    on_demand_group: str | None
    initial_nodes: int
    on_demand_base: int = 0
    jobs_queue: str | None = None  # URL

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(name for name in (self.spot_group, self.on_demand_group) if name)


@dataclass(frozen=True)
class StackOutputs:
    """What `pulumi up` exported; `gateway_url` has no slash at its end.

    `promoter_role` is the one role that may write pointers; None in a stack that was built before there was one. So
    is `api_keys_parameter`, SSM's name of the key hashes.
    """

    region: str
    environment: str
    bucket: str
    gateway_url: str
    gateway_group: str
    service_version: str
    fleets: tuple[FleetOutputs, ...]
    promoter_role: str | None = None
    api_keys_parameter: str | None = None

    def fleet(self, model: str | None) -> FleetOutputs:
        """The fleet of `model`, or the first one.

        Raises:
            CommandError: the stack has no such model.
        """
        for fleet in self.fleets:
            if model in (None, fleet.model):
                return fleet
        known = ", ".join(fleet.model for fleet in self.fleets) or "none"
        raise CommandError(
            f"model {model!r} is not in this stack, which has: {known}; name one of them, or add it to `models` in "
            "the stack's file and run `pulumi up`",
            USAGE,
        )


def parse(document: Mapping[str, Any], stack: str) -> StackOutputs:
    """Read the outputs of `stack`.

    Raises:
        CommandError: outputs are missing, so it was not provisioned to its end.
    """
    needed = (
        contract.OUTPUT_REGION,
        contract.OUTPUT_ENVIRONMENT,
        contract.OUTPUT_BUCKET,
        contract.OUTPUT_GATEWAY_URL,
        contract.OUTPUT_GATEWAY_GROUP,
        contract.OUTPUT_FLEETS,
    )
    if missing := [name for name in needed if name not in document]:
        remedy = "run `make up`" if stack == "local" else f"run `pulumi up --stack {stack}`"
        raise CommandError(f"stack {stack} has no output {', '.join(missing)}: it was not built to its end; {remedy}")
    return StackOutputs(
        region=str(document[contract.OUTPUT_REGION]),
        environment=str(document[contract.OUTPUT_ENVIRONMENT]),
        bucket=str(document[contract.OUTPUT_BUCKET]),
        gateway_url=str(document[contract.OUTPUT_GATEWAY_URL]).rstrip("/"),
        gateway_group=str(document[contract.OUTPUT_GATEWAY_GROUP]),
        service_version=str(document.get(contract.OUTPUT_SERVICE_VERSION, "")),
        fleets=tuple(_fleet(model, fleet) for model, fleet in document[contract.OUTPUT_FLEETS].items()),
        promoter_role=document.get(contract.OUTPUT_PROMOTER_ROLE) or None,
        api_keys_parameter=document.get(contract.OUTPUT_API_KEYS_PARAMETER) or None,
    )


def _fleet(model: str, fleet: Mapping[str, Any]) -> FleetOutputs:
    return FleetOutputs(
        model=model,
        spot_group=fleet.get(contract.FLEET_SPOT_GROUP) or None,
        on_demand_group=fleet.get(contract.FLEET_ON_DEMAND_GROUP) or None,
        initial_nodes=int(fleet.get(contract.FLEET_INITIAL_NODES, 1)),
        on_demand_base=int(fleet.get(contract.FLEET_ON_DEMAND_BASE, 0)),
        jobs_queue=fleet.get(contract.FLEET_JOBS_QUEUE) or None,
    )
