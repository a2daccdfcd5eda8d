"""Runs the program under Pulumi mocks that make every resource in a local AWS, through the provider's own handlers."""

import asyncio
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pulumi_aws
import yaml
from botocore.exceptions import ClientError
from pulumi.runtime.mocks import MockMonitor

from infra import settings, stack
from infra.settings import StackSettings
from localcloud.aws.in_process import LocalAws
from localcloud.provider.mocks import MotoMocks

ROOT = Path(__file__).resolve().parents[2]
# The SDK loads its packages when they are used, and not wholly where a test has imported one module of them before.
PACKAGES = (
    pulumi_aws.budgets.Budget,
    pulumi_aws.kms.Key,
    pulumi_aws.lambda_.Function,
    pulumi_aws.ssm.Parameter,
    pulumi_aws.sns.Topic,
    pulumi_aws.sqs.Queue,
)
Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """One resource as the program gave it to Pulumi's engine."""

    kind: str  # the token's last part, such as LaunchTemplate
    token: str
    name: str
    inputs: Properties
    parent: str  # URN; empty for the provider
    ignored_changes: tuple[str, ...]
    waits_for: frozenset[str]  # names of the resources that must stand before
    refers_to: Mapping[str, Sequence[str]]  # the names of those, by the property that they are for


@dataclass
class Built:
    """What the program declared, in order of creation, and the local AWS in which all of it was made."""

    aws: LocalAws
    outputs: dict[str, Any] = field(default_factory=dict)
    declared: list[Declared] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, Declared]:
        """The resources of a kind by name."""
        return {each.name: each for each in self.declared if each.kind == kind}

    def groups(self) -> dict[str, Any]:
        """Every Auto Scaling group by its Pulumi name, as AWS describes it."""
        found = self.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return {each["AutoScalingGroupName"].rpartition("-")[0]: each for each in found}


class InvokeError(grpc.RpcError):
    """What the engine makes of a provider's refusal; the SDK lets a program catch no other error of a function."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class RecordingMonitor(MockMonitor):
    """Remembers what reaches the engine beside a resource's inputs, too, and fails functions as the engine does."""

    def __init__(self, built: Built) -> None:
        super().__init__(MotoMocks(built.aws.client))
        self._built = built

    def Invoke(self, request: Any) -> Any:  # noqa: N802  a gRPC method's name
        try:
            return super().Invoke(request)
        except ClientError as error:
            raise InvokeError(f"invocation of {request.tok} returned an error: {error}") from error

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  a gRPC method's name
        made = super().RegisterResource(request)
        inputs = pulumi.runtime.rpc.deserialize_properties(request.object)
        kind = request.type.rpartition(":")[2]
        ignored = tuple(request.ignoreChanges)
        waits_for = frozenset(urn.rpartition("::")[2] for urn in request.dependencies)
        refers_to = {
            name: [urn.rpartition("::")[2] for urn in found.urns]
            for name, found in request.propertyDependencies.items()
        }
        declared = Declared(kind, request.type, request.name, inputs, request.parent, ignored, waits_for, refers_to)
        self._built.declared.append(declared)
        return made


def run(aws: LocalAws, given: StackSettings, bundle: Path) -> Built:
    """Build the stack in `aws`; returns when everything is made. Raises what the program raises."""
    built = Built(aws)

    def program() -> None:
        pulumi.Output.from_input(stack.build(given, bundle)).apply(built.outputs.update)

    monitor = RecordingMonitor(built)
    asyncio.set_event_loop(_event_loop())  # tests that ran before may have taken the thread's loop away
    pulumi.runtime.set_mocks(monitor.mocks, project="warmfleet", stack=given.environment, monitor=monitor)
    pulumi.runtime.test(program)()
    return built


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for all runs, never closed: the SDK keeps loops of its own in that one's threads, and closes none of them."""
    return asyncio.new_event_loop()


def project() -> dict[str, Any]:
    """Pulumi.yaml."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    return document


def config_of(path: Path) -> dict[str, str]:
    """A stack file's `config`, as texts, with the project's defaults: what the CLI hands to the program."""
    given = {f"warmfleet:{key}": each["default"] for key, each in project()["config"].items() if "default" in each}
    given |= yaml.safe_load(path.read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}


def stack_settings(path: Path, **changes: str) -> StackSettings:
    """The settings in a stack file, some of them changed."""
    config = config_of(path) | {f"warmfleet:{key}": text for key, text in changes.items()}
    return settings.parse(config, path.stem.removeprefix("Pulumi."))
