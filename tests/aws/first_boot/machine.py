"""An instance of the local AWS before its first boot: its root is a folder; systemd and the playbook are recorders.

What the playbook does needs root: tests/nodes has it on real hosts.
"""

import json
import os
import shutil
import subprocess
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_service import contract
from infra.user_data import Boot, Places, render
from infra.variables import Places as Names
from localcloud.aws.in_process import LocalAws

BUCKET = "models-1"
PLACES = Names(
    BUCKET,
    "log-group-1",
    jobs_queue_url="https://sqs.us-east-1.amazonaws.com/1/jobs",
    dead_letters_queue_url="https://sqs.us-east-1.amazonaws.com/1/jobs-dead",
    api_keys_parameter="keys",
    node_token_parameter="t",
)
ROLE = "gateway-role"
# Adds its command line to $CALLS in one write, for two of them run at once: a NUL after each word, then a separator.
STUB = '#!/bin/sh\nprintf "%s\\0" "${0##*/}" "$@" "$(printf "\\036")" >>"$CALLS"\n'


@dataclass(frozen=True)
class Machine:
    """`endpoint` is its metadata's, `s3` where it finds its bucket."""

    aws: LocalAws
    address: str
    endpoint: str
    s3: str
    root: Path

    @property
    def places(self) -> Places:
        folders = (self.root / name for name in ("etc/warmfleet", "opt/warmfleet"))
        return Places(*map(str, folders), str(self.root / "python" / "bin" / "python3"))

    @property
    def bundles(self) -> Path:
        return self.root / "opt" / "warmfleet" / "bundles"

    @property
    def configured(self) -> Path:
        """What the playbook writes last."""
        return self.root / "etc" / "warmfleet" / "configured"

    @property
    def environment_file(self) -> Path:
        return self.root / "etc" / "warmfleet" / "service.env"

    def prepare(self) -> None:
        """As the image comes: a Python without packages."""
        (self.root / "tools").mkdir(parents=True)
        venv.create(self.root / "python", with_pip=False, symlinks=True)
        tools = {"systemctl": "", "curl": f'exec {shutil.which("curl")} "$@"\n'}
        for name, more in tools.items():
            self._tool(self.root / "tools" / name, STUB + more)
        python = self.root / "python" / "bin" / "python3"
        python.rename(python.with_name("real-python3"))
        play = '[ "$2 $3" = "ansible playbook" ] && { [ -d "$PYTHONPATH/ansible" ] && [ -f "$4" ]; exit; }\n'
        self._tool(python, STUB + play + f'exec {python.with_name("real-python3")} "$@"\n')

    @staticmethod
    def _tool(path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def environ(self) -> dict[str, str]:
        """What cloud-init gives, recorders first; and the names that lead the AWS SDKs here instead of to AWS."""
        return {
            "PATH": f"{self.root / 'tools'}{os.pathsep}{os.defpath}",
            "CALLS": str(self.root / "calls"),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.endpoint,
            "AWS_ENDPOINT_URL": self.s3,
        }

    def boot(self, boot: Boot) -> "subprocess.CompletedProcess[str]":
        """As cloud-init does it: the script lies in a file and is root's, here ours."""
        script = self.root / "part-001"
        script.write_text(render(boot, self.places))
        command = ["bash", str(script)]
        return subprocess.run(command, env=self.environ(), capture_output=True, text=True, timeout=100, check=False)

    def calls(self) -> list[list[str]]:
        """Every recorded command line, in order."""
        file = self.root / "calls"
        return [line.split("\0")[:-1] for line in file.read_text().split("\036\0")[:-1]] if file.exists() else []

    def calls_of(self, *names: str) -> list[list[str]]:
        return [words for words in self.calls() if words[0] in names]

    def metadata(self, path: str) -> str:
        """What the instance's metadata says now."""
        ask = urllib.request.Request(
            f"{self.endpoint}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        with urllib.request.urlopen(ask, timeout=10) as answer:
            token = answer.read().decode()
        ask = urllib.request.Request(f"{self.endpoint}/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
        with urllib.request.urlopen(ask, timeout=10) as answer:
            return str(answer.read().decode())

    def credentials(self) -> dict[str, str]:
        """AccessKeyId, SecretAccessKey and Token of the role; the same until they are renewed."""
        return dict(json.loads(self.metadata(f"meta-data/iam/security-credentials/{ROLE}")))


def launched(aws: LocalAws, s3: str, root: Path) -> Machine:
    """A running instance with a role and a prepared root."""
    iam, ec2 = aws.client("iam"), aws.client("ec2")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="gateway")
    iam.add_role_to_instance_profile(InstanceProfileName="gateway", RoleName=ROLE)
    reply = ec2.run_instances(
        ImageId="ami-1",
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "gateway"},
        MetadataOptions={"HttpTokens": "required"},
    )
    aws.tick()
    name = reply["Instances"][0]["InstanceId"]
    (found,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
    address = found["Instances"][0]["PrivateIpAddress"]
    return Machine(aws, address, f"{aws.url}/_local/metadata/{name}", s3, root)


def upload(aws: LocalAws, version: str, objects: dict[str, Any]) -> None:
    for name, body in objects.items():
        aws.client("s3").put_object(Bucket=BUCKET, Key=contract.service_prefix(version) + name, Body=body)
