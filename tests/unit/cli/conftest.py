"""For the command line: a checkout of its own for each test."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).parent / "stand_ins"))

from cli_checkout import OUTPUTS, PULUMI, ROOT, Checkout
from played_gateway import Gateway

from inference_service import contract
from inference_service.artifacts import Pointer
from inference_service.artifacts.pointer import parse


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root, programs = tmp_path / "checkout", tmp_path / "bin"
    root.mkdir()
    programs.mkdir()
    (root / "Pulumi.yaml").write_text("name: warmfleet\nruntime: python\n")
    shutil.copy(ROOT / "Pulumi.local.yaml", root)
    (programs / "pulumi").write_text(PULUMI)
    (programs / "pulumi").chmod(0o755)
    python_path = os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    made = Checkout(root, programs, {**os.environ, "PATH": path, "PYTHONPATH": python_path, "NO_COLOR": "1"})
    made.outputs()
    made.behaviour("exit 0")
    return made


@pytest.fixture
def json_of() -> Callable[[subprocess.CompletedProcess[str]], Any]:
    """The one JSON object that a command printed, and a check that it succeeded."""

    def parse(done: subprocess.CompletedProcess[str]) -> Any:
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return parse


@pytest.fixture
def aws() -> Iterator[dict[str, str]]:
    """moto's server; gives the environment that leads to it."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    server.stop()


@pytest.fixture
def client(aws: dict[str, str]) -> Callable[[str], Any]:
    def make(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up",
        )

    return make


@pytest.fixture
def stack(client: Callable[[str], Any]) -> Iterator[Any]:
    """The bucket and the two groups of the stack; gives the Auto Scaling client."""
    client("s3").create_bucket(Bucket=OUTPUTS["bucketName"])
    groups = client("autoscaling")
    subnet = client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    image = client("ec2").describe_images()["Images"][0]["ImageId"]
    groups.create_launch_configuration(LaunchConfigurationName="lc", ImageId=image, InstanceType="t3.micro")
    for name in ("tiny-spot", "tiny-on-demand"):
        groups.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName="lc", MinSize=0, MaxSize=4, VPCZoneIdentifier=subnet
        )
    yield groups
    for name in ("tiny-spot", "tiny-on-demand"):
        groups.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    s3 = client("s3")
    for item in s3.list_objects_v2(Bucket=OUTPUTS["bucketName"]).get("Contents", []):
        s3.delete_object(Bucket=OUTPUTS["bucketName"], Key=item["Key"])
    s3.delete_bucket(Bucket=OUTPUTS["bucketName"])


@pytest.fixture
def gateway(checkout: Checkout, client: Callable[[str], Any]) -> Iterator[type[Gateway]]:
    """A gateway without nodes, as an output of the stack."""

    class Played(Gateway):
        warm = False

        @staticmethod
        def pointer() -> Pointer:
            key = contract.pointer_key("tiny")
            return parse(client("s3").get_object(Bucket=OUTPUTS["bucketName"], Key=key)["Body"].read())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Played)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    Played.port = server.server_port
    checkout.outputs(gatewayUrl=f"http://127.0.0.1:{Played.port}")
    yield Played
    server.shutdown()
    server.server_close()
