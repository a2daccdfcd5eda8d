"""The fleet that is struck: a local cloud of its own, in a folder of its own, with real node and gateway processes.

Built with boto3 instead of the Pulumi program, which takes longer and has nothing to do with what is tried here: the
groups, hooks and variables are the program's (infra/lifecycle.py, infra/variables.py), with shorter times.
"""

import base64
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from inference_service import contract
from inference_service.artifacts import ArtifactStore, activate, publish
from infra import lifecycle
from infra.user_data import Boot, render
from localcloud import control
from localcloud.cloud_state import CloudState
from localcloud.environment import without_outside
from localcloud.places import Places
from localcloud.processes import MARK
from scripts.exit_codes import CommandError

MODEL, ENVIRONMENT, BUCKET, PROFILE = "stub", "chaos", "chaos-models", "chaos"
NODES, GATEWAYS, SLOTS = 6, 2, 8
NODE_PORT, GATEWAY_PORT = 8000, 8080
NOTICE_SECONDS = 15.0  # EC2's is 120: eight times faster
DRAIN_SECONDS = 10
VISIBILITY_SECONDS = 15  # of jobs; the program's is 60
MOST_RECEIVES = 25  # as the program's
TOKEN_SECONDS = 0.025
BEGIN_SECONDS = 90.0
WHO = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [WHO]})


@dataclass
class Fleet:
    """Calls that build, watch and strike it. All of them block."""

    root: Path
    state: CloudState
    session: boto3.Session
    guards_off: str = ""
    subnet: str = ""
    jobs_url: str = ""
    dead_letters_url: str = ""
    ended: set[str] = field(default_factory=set)  # addresses of gateways that were struck

    def client(self, service: str) -> Any:
        config = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30)
        return self.session.client(service, endpoint_url=self.state.endpoint_url, config=config)  # type: ignore[call-overload]

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(self.client("s3"), BUCKET)

    def build(self) -> None:
        """Bucket, model, role, network, and two groups."""
        self.client("s3").create_bucket(Bucket=BUCKET)
        versioned = {"Status": "Enabled"}  # a result that is written twice shows
        self.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioned)
        self._queue()
        self.publish("v1")
        activate(self.store, MODEL, "v1")
        iam = self.client("iam")
        iam.create_role(RoleName=PROFILE, AssumeRolePolicyDocument=TRUST)
        iam.create_instance_profile(InstanceProfileName=PROFILE)
        iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
        made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=zone)
        self.subnet = made["Subnet"]["SubnetId"]
        self._group(contract.ROLE_GATEWAY, GATEWAYS, self._gateway_variables(), spot=False)
        self._group(contract.ROLE_NODE, NODES, self._node_variables(), spot=True)

    def _queue(self) -> None:
        sqs = self.client("sqs")
        dead = self.dead_letters_url = sqs.create_queue(QueueName="jobs-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": redrive}
        self.jobs_url = sqs.create_queue(QueueName="jobs", Attributes=attributes)["QueueUrl"]

    def publish(self, version: str) -> None:
        weights = self.root / f"{version}.gguf"
        weights.write_bytes(b"GGUF" + version.encode() * 4096)
        publish(self.store, MODEL, [weights], version=version, progress=lambda _: None)

    def _common(self) -> dict[str, str]:
        return {
            contract.VAR_ENVIRONMENT: ENVIRONMENT,
            contract.VAR_REGION: self.state.region,
            contract.VAR_BUCKET: BUCKET,
            contract.VAR_NODE_PORT: str(NODE_PORT),
            contract.VAR_DRAIN_SECONDS: str(DRAIN_SECONDS),
            **({contract.VAR_GUARDS_OFF: self.guards_off} if self.guards_off else {}),
        }

    def _node_variables(self) -> dict[str, str]:
        return self._common() | {
            contract.VAR_MODEL: MODEL,
            contract.VAR_ENGINE: "stub",
            contract.VAR_SLOTS: str(SLOTS),
            contract.VAR_JOBS_QUEUE_URL: self.jobs_url,
            contract.VAR_DEAD_LETTERS_QUEUE_URL: self.dead_letters_url,
            contract.VAR_QUEUE: str(SLOTS),
            contract.VAR_LAUNCH_HOOK: lifecycle.LAUNCH_HOOK,
            contract.VAR_TERMINATE_HOOK: lifecycle.TERMINATE_HOOK,
            contract.VAR_POINTER_POLL_SECONDS: "0.5",
            contract.VAR_METADATA_POLL_SECONDS: "2",
            contract.VAR_PROBE_SECONDS: "2",
            contract.VAR_PROBE_TIMEOUT_SECONDS: "3",
            contract.VAR_STUB_TOKEN_SECONDS: str(TOKEN_SECONDS),
        }

    def _gateway_variables(self) -> dict[str, str]:
        return self._common() | {
            contract.VAR_MODELS: MODEL,
            contract.VAR_GATEWAY_PORT: str(GATEWAY_PORT),
            contract.VAR_DISCOVERY_POLL_SECONDS: "1",
            contract.VAR_READINESS_POLL_SECONDS: "0.25",
        }

    def _group(self, role: str, size: int, variables: dict[str, str], *, spot: bool) -> None:
        ec2, groups = self.client("ec2"), self.client("autoscaling")
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        script = base64.b64encode(render(Boot(role, variables | {contract.VAR_SERVICE_VERSION: "0" * 64})).encode())
        data = {"ImageId": image, "InstanceType": "g6.xlarge", "UserData": script.decode()}
        data |= {"IamInstanceProfile": {"Name": PROFILE}}
        data |= {"MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}}
        template = ec2.create_launch_template(LaunchTemplateName=role, LaunchTemplateData=data)["LaunchTemplate"]
        named = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"}
        tags = {contract.TAG_ROLE: role, contract.TAG_ENVIRONMENT: ENVIRONMENT, contract.TAG_MODEL: MODEL}
        bought: dict[str, Any] = {"LaunchTemplate": named}
        if spot:
            all_spot = {"OnDemandBaseCapacity": 0, "OnDemandPercentageAboveBaseCapacity": 0}
            policy = {"LaunchTemplate": {"LaunchTemplateSpecification": named}, "InstancesDistribution": all_spot}
            bought = {"MixedInstancesPolicy": policy, "CapacityRebalance": True}
        groups.create_auto_scaling_group(
            AutoScalingGroupName=role,
            MinSize=0,
            MaxSize=2 * NODES,
            DesiredCapacity=0,
            VPCZoneIdentifier=self.subnet,
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
            **bought,
        )
        for hook in lifecycle.hooks(DRAIN_SECONDS) if spot else ():
            groups.put_lifecycle_hook(
                AutoScalingGroupName=role,
                LifecycleHookName=hook.name,
                LifecycleTransition=hook.transition,
                HeartbeatTimeout=hook.heartbeat_seconds,
                DefaultResult=hook.default_result,
            )
        self.scale(role, size)

    def scale(self, role: str, size: int) -> None:
        self.client("autoscaling").set_desired_capacity(AutoScalingGroupName=role, DesiredCapacity=size)

    def in_service(self, role: str) -> int:
        """How many instances of a group have passed their launch hook; those on their way out do not count."""
        (group,) = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[role])[
            "AutoScalingGroups"
        ]
        return sum(each["LifecycleState"] == "InService" for each in group["Instances"])

    def terminate(self, instance_id: str) -> None:
        """Through its group, which launches another one."""
        groups = self.client("autoscaling")
        groups.terminate_instance_in_auto_scaling_group(InstanceId=instance_id, ShouldDecrementDesiredCapacity=False)

    def processes(self, role: str) -> dict[str, psutil.Process]:
        """By address: what really runs."""
        found, mark = {}, str(Places.of(self.root).folder)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if f"inference_service.{role}" in process.cmdline() and process.environ().get(MARK) == mark:
                    found[process.environ()[contract.VAR_BIND_ADDRESS]] = process
        return found

    def kill(self, role: str, address: str) -> None:
        """As the kernel does: no signal that a process could hear."""
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            self.processes(role)[address].send_signal(signal.SIGKILL)


@contextlib.contextmanager
def running(root: Path, guards_off: str, say: Callable[[str], None]) -> Iterator[Fleet]:
    """A built fleet; afterwards nothing of it is left, however the block ends."""
    environ = without_outside(os.environ)
    try:
        state = control.start(root, report=say, environ=environ)
        session = boto3.Session("local", "local", region_name=state.region)
        fleet = Fleet(root, state, session, guards_off)
        say("building groups of nodes and gateways")
        fleet.build()
        yield fleet
    finally:
        control.stop(root, report=lambda _: None)


def eventually(condition: Callable[[], bool], what: str, seconds: float = BEGIN_SECONDS) -> None:
    """Wait for it. Raises CommandError when it does not come."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise CommandError(f"no {what} after {seconds:g} s: this run cannot say whether requests are lost")
        time.sleep(0.2)
