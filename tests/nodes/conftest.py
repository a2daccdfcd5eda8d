"""One host that has had its first boot as a gateway, and fresh ones; all on one local AWS."""

import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import pytest

from inference_service import contract
from infra.stack import BUNDLE_FOLDER
from infra.user_data import Boot, render, render_builder
from infra.variables import Places, gateway_variables, node_variables
from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.hosts.rootfs import root_file_system
from localcloud.hosts.tools import missing_tools
from scripts.pulumi_build import cache_home
from tests.aws.first_boot.cases import OBJECTS, SETTINGS
from tests.nodes.host import Host, host

BUCKET = "models-1"
PLACES = Places(
    BUCKET,
    "logs-1",
    jobs_queue_url="https://sqs.us-east-1.amazonaws.com/1/jobs",
    dead_letters_queue_url="https://sqs.us-east-1.amazonaws.com/1/jobs-dead",
    api_keys_parameter="k",
    node_token_parameter="t",
)
SCRIPT, BUILDER = "/var/lib/cloud/part-001", "/var/lib/cloud/part-002"
HOSTS = "/srv/hosts"


@dataclass(frozen=True)
class Instance:
    """A host that is an instance of the local AWS."""

    host: Host
    role: str
    address: str
    version: str

    def first_boot(self) -> str:
        """What cloud-init runs once; what it said."""
        done = self.host.run("env", *self.environ(), "bash", SCRIPT, seconds=300)
        return done.stdout + done.stderr

    def bake(self) -> str:
        """What the builder of an image runs, until it has powered itself off; what its console said."""
        self.host.run("env", *self.environ(), "bash", BUILDER, seconds=300, check=False)
        assert self.host.nspawn is not None
        assert self.host.nspawn.wait(120) == 0
        return self.host.console.read_text()

    def site(self, *options: str, playbook: str = "site.yml") -> str:
        """A playbook of running hosts, with this host as its only one; what it said."""
        self.host.write(HOSTS, f"[role_{self.role}]\nhere ansible_connection=local service_role={self.role}\n")
        return self._playbook(playbook, "-i", HOSTS, "-e", "ready_seconds=60", *options)

    def play(self, *options: str, playbook: str = "boot.yml") -> str:
        """boot.yml again, as the first boot applies it; what it said."""
        engine = SETTINGS.models[0].engine if self.role == contract.ROLE_NODE else "none"
        variables = f"service_role={self.role} service_version={self.version} inference_node_engine={engine}"
        return self._playbook(playbook, "-c", "local", "-i", "localhost,", "-e", variables, *options)

    def _playbook(self, *words: str) -> str:
        tools = "/opt/warmfleet/tools"
        bundle = f"/opt/warmfleet/bundles/{self.version}"
        install = f"{bundle}/ansible/roles/service/files/install_release.py"
        self.host.run("sh", "-c", f"[ -d {tools} ] || python3 {install} {bundle} requirements/converge.txt {tools}")
        command = ["python3", "-m", "ansible", "playbook"]
        environ = [f"PYTHONPATH={tools}", "HOME=/srv", "ANSIBLE_NOCOLOR=1", *self.environ()]
        line = f'cd {bundle}/ansible && exec env "$@"'
        done = self.host.run("sh", "-c", line, "sh", *environ, *command, *words, check=False, seconds=300)
        return done.stdout + done.stderr

    def environ(self) -> list[str]:
        """As systemd gives it to every service of the host; cloud-init's script has it as well."""
        text = (self.host.root / "etc/systemd/system.conf.d/local.conf").read_text()
        return text.split('"')[1::2]


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    if lacks := missing_tools():
        pytest.skip("; ".join(lacks))
    if not (BUNDLE_FOLDER / contract.MANIFEST_NAME).exists():
        pytest.skip("there is no service bundle; run: make bundle")
    with local_aws("127.62") as served:
        s3, iam = served.client("s3"), served.client("iam")
        s3.create_bucket(Bucket=BUCKET)
        for name in OBJECTS:
            key = contract.service_prefix(bundle_version()) + name
            s3.upload_file(str(BUNDLE_FOLDER / name), BUCKET, key)
        iam.create_role(RoleName="role", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="profile")
        iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="role")
        yield served


def bundle_version() -> str:
    return hashlib.sha256((BUNDLE_FOLDER / contract.MANIFEST_NAME).read_bytes()).hexdigest()


class Launch(Protocol):
    def __call__(self, role: str, image: str | None = None) -> Instance:
        """An instance whose host has booted; its first boot is the caller's. `image` as in `Container.lower`."""


@pytest.fixture(scope="session")
def launch(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    numbers = itertools.count(1)
    with ExitStack() as stack:

        def launched(role: str, image: str | None = None) -> Instance:
            name = f"warmfleet-{os.getpid()}-{next(numbers)}"
            folder = tmp_path_factory.mktemp(name)
            made = stack.enter_context(host(image or base_image(), folder, name))
            return boot_instance(aws, made, role)

        yield launched


def base_image() -> str:
    return str(root_file_system(cache_home(os.environ)))


def boot_instance(aws: LocalAws, made: Host, role: str) -> Instance:
    ec2 = aws.client("ec2")
    reply = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "profile"})
    aws.tick()
    name = reply["Instances"][0]["InstanceId"]
    (found,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
    address = found["Instances"][0]["PrivateIpAddress"]
    variables = (
        gateway_variables(SETTINGS, PLACES, bundle_version())
        if role == contract.ROLE_GATEWAY
        else node_variables(SETTINGS, SETTINGS.models[0], PLACES, bundle_version())
    )
    made.write(SCRIPT, render(Boot(role, variables)))
    made.write(BUILDER, render_builder(Boot(role, variables)))
    metadata = f"AWS_EC2_METADATA_SERVICE_ENDPOINT={aws.url}/_local/metadata/{name}"
    given = f'[Manager]\nDefaultEnvironment="AWS_ENDPOINT_URL={aws.url}" "{metadata}"\n'
    made.write("/etc/systemd/system.conf.d/local.conf", given)
    made.boot()
    return Instance(made, role, address, bundle_version())


@pytest.fixture(scope="session")
def gateway(launch: Launch) -> Instance:
    """A gateway after its first boot."""
    made = launch(contract.ROLE_GATEWAY)
    made.first_boot()
    return made


@pytest.fixture(scope="session")
def node(launch: Launch) -> Instance:
    """A node after its first boot."""
    made = launch(contract.ROLE_NODE)
    made.first_boot()
    return made
