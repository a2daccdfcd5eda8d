"""The day-one path of docs/deploy.md on a real account, from nothing to an answer and back to nothing."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from inference_service import contract
from scripts.aws_verification.questions import QUESTIONS, Clients, Subject, answer
from scripts.aws_verification.shapes import shape
from scripts.exit_codes import CommandError
from scripts.progress import Steps
from scripts.stack_outputs import StackOutputs, parse

STACK = "verify"
FIRST_ANSWER_SECONDS = 900  # boot, installation, download, loading
QUESTION = "What is a load balancer?"
Report = Callable[[str], None]


class Cli(Protocol):
    """The part of scripts.pulumi_runs.Pulumi that is used here."""

    def select(self, stack: str) -> None: ...
    def up(self, stack: str, report: Report) -> Any: ...
    def outputs(self, stack: str) -> dict[str, Any]: ...
    def destroy(self, stack: str, report: Report) -> Any: ...
    def remove(self, stack: str) -> None: ...


@dataclass(frozen=True)
class Walk:
    """Everything that the path needs of the world.

    Attributes:
        warmfleet: runs a command of ours to its end and returns what it printed; raises CommandError.
        recorded: where the shapes of AWS's replies are written, one JSON file for each question.
    """

    root: Path
    account: str
    weights: Path
    pulumi: Cli
    warmfleet: Callable[[Sequence[str]], str]
    aws: Clients
    recorded: Path
    steps: Steps

    @property
    def stack_file(self) -> Path:
        return self.root / f"Pulumi.{STACK}.yaml"

    def run(self) -> None:
        """Walk there and back; the way back is walked whatever happens on the way there.

        Raises:
            CommandError: a step failed, or something was left that AWS bills.
        """
        self._write_stack_file()
        self.pulumi.select(STACK)
        try:
            self._there()
        finally:
            self.back()

    def back(self) -> None:
        """Remove everything, and look that it has gone. The stack's file and state stay if that fails."""
        with self.steps.step("destroy") as step:
            self.pulumi.destroy(STACK, step.say)
        with self.steps.step("nothing is left"):
            if left := billed(self.aws):
                raise CommandError(f"these are still there, and AWS bills them: {', '.join(left)}; remove them by hand")
        self.pulumi.remove(STACK)
        self.stack_file.unlink(missing_ok=True)

    def _there(self) -> None:
        with self.steps.step("up") as step:
            self.pulumi.up(STACK, step.say)
        document = self.pulumi.outputs(STACK)
        outputs = parse(document, STACK)
        with self.steps.step("up again") as step:
            if changed := self.pulumi.up(STACK, step.say).changes:
                raise CommandError(f"a second `up` changed {changed} resources; a stack that stands needs no change")
        model = outputs.fleets[0].model
        with self.steps.step("publish"):
            said = self.warmfleet(["models", "publish", model, str(self.weights), "--stack", STACK, "--json"])
        with self.steps.step("activate"):
            self.warmfleet(["models", "activate", model, json.loads(said)["version"], "--stack", STACK])
        with self.steps.step("first answer") as step:
            asked = ["ask", QUESTION, "--stack", STACK, "--timeout", str(FIRST_ANSWER_SECONDS), "--json"]
            step.result = str(json.loads(self.warmfleet(asked))["answer"])[:60]
        with self.steps.step("record") as step:
            step.result = f"{self._record(outputs, document)} replies in {self.recorded.name}/"

    def _record(self, outputs: StackOutputs, document: dict[str, Any]) -> int:
        subject = subject_of(outputs, document)
        self.recorded.mkdir(parents=True, exist_ok=True)
        for name, question in QUESTIONS.items():
            reply = shape(answer(question, self.aws, subject))
            (self.recorded / f"{name}.json").write_text(json.dumps(reply, indent=2, sort_keys=True) + "\n")
        return len(QUESTIONS)

    def _write_stack_file(self) -> None:
        """dev, in this account. Nothing is waited for and no address is written to."""
        document = yaml.safe_load((self.root / "Pulumi.dev.yaml").read_text())
        document["config"]["aws:allowedAccountIds"] = [self.account]
        document["config"].pop("warmfleet:alarm_email", None)
        self.stack_file.write_text(yaml.safe_dump(document))


def subject_of(outputs: StackOutputs, document: dict[str, Any]) -> Subject:
    """What the questions are about: the first model's spot group, which the first activation wakes."""
    group = outputs.fleets[0].spot_group or outputs.fleets[0].groups[0]
    return Subject(outputs.environment, outputs.bucket, group, str(document[contract.OUTPUT_INTERRUPTIONS_QUEUE]))


def billed(aws: Clients) -> list[str]:
    """What stands by the hour on the bill and carries this stack's tag, by id."""
    ec2, groups = aws.client("ec2"), aws.client("autoscaling")
    tag = [{"Name": f"tag:{contract.TAG_ENVIRONMENT}", "Values": [STACK]}]
    instances = [each for found in ec2.describe_instances(Filters=tag)["Reservations"] for each in found["Instances"]]
    gateways = ec2.describe_nat_gateways(Filters=tag)["NatGateways"]
    return [
        *(
            each["AutoScalingGroupName"]
            for each in groups.describe_auto_scaling_groups(Filters=tag)["AutoScalingGroups"]
        ),
        *(each["InstanceId"] for each in instances if each["State"]["Name"] not in ("shutting-down", "terminated")),
        *(each["NatGatewayId"] for each in gateways if each["State"] not in ("deleting", "deleted")),
        *(each["AllocationId"] for each in ec2.describe_addresses(Filters=tag)["Addresses"]),
        *(each["VolumeId"] for each in ec2.describe_volumes(Filters=tag)["Volumes"]),
    ]
