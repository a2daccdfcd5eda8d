"""The local stack as a journey uses it: commands, the local AWS, and what its gateway says of the nodes."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3

from inference_service import contract
from localcloud import control
from localcloud.environment import aws_environment
from scripts.default_model import default_model
from tests.scratch_checkout import Checkout


@dataclass
class LocalFleet:
    """The local stack of a scratch checkout, with its nodes."""

    checkout: Checkout
    model: str
    url: str
    key: str
    folder: Path

    def scale(self, nodes: int) -> None:
        """By hand, so that the planner has to leave the fleet alone."""
        self.checkout.warmfleet("scaling", "pause")
        groups = self.client("autoscaling")
        (spot,) = [
            each["AutoScalingGroupName"]
            for each in groups.describe_auto_scaling_groups()["AutoScalingGroups"]
            if each["DesiredCapacity"] and self.model in each["AutoScalingGroupName"]
        ]
        groups.set_desired_capacity(AutoScalingGroupName=spot, DesiredCapacity=nodes)

    def client(self, service: str) -> Any:
        state = control.running(self.checkout.root)
        assert state
        environ = aws_environment(state, {})
        session = boto3.Session(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=state.region
        )
        return session.client(service, endpoint_url=state.endpoint_url)  # type: ignore[call-overload]

    def publish(self, version: str, *, weights: bytes | None = None) -> None:
        """The packaged model, or other weights, as another version."""
        (self.folder / "NOTICE").write_text(version)
        (self.folder / "other.gguf").write_bytes(weights or b"")
        model = self.folder / "other.gguf" if weights else default_model()
        self.models("publish", self.model, str(model), str(self.folder / "NOTICE"), "--version", version)

    def publish_corrupt(self, version: str) -> None:
        """A version of which one file in the bucket is another than its manifest says: NOTICE."""
        self.publish(version)
        s3 = self.client("s3")
        bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("models"))
        s3.put_object(Bucket=bucket, Key=contract.model_prefix(self.model, version) + "NOTICE", Body=b"CORRUPT")

    def models(self, *arguments: str) -> Any:
        return json.loads(self.checkout.warmfleet("models", *arguments, "--json").stdout)

    def activate(self, version: str) -> subprocess.CompletedProcess[str]:
        done = self.checkout.warmfleet("models", "activate", self.model, version, "--json", check=False)
        assert "Traceback" not in done.stderr
        return done

    def activating(self, version: str) -> "subprocess.Popen[str]":
        command = [str(self.checkout.root / ".venv/bin/warmfleet"), "models", "activate", self.model, version]
        return subprocess.Popen(
            command, cwd=self.checkout.root, env=dict(self.checkout.environ), stderr=subprocess.PIPE, text=True
        )

    def pointer(self) -> dict[str, Any]:
        (model,) = self.models("list")["models"]
        return {field: model[field] for field in ("current", "candidate", "previous", "wave_percent")}

    def reports(self) -> dict[str, dict[str, Any]]:
        with urlopen(self.url + contract.PATH_FLEET, timeout=10) as answer:
            return {node["instance_id"]: node["report"] or {} for node in json.load(answer)["nodes"]}

    def all_serve(self, version: str, nodes: int = 3) -> bool:
        reports = self.reports().values()
        good = [each for each in reports if (each.get("state"), each.get("version")) == ("ready", version)]
        return len(good) == len(reports) == nodes
