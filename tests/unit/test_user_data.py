"""The script of an instance's first boot, run by bash for real; metadata and S3 are a server here, root is a folder."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pip
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from inference_service import contract
from infra.user_data import MOST_BYTES, Boot, Places, UserDataError, render
from localcloud.user_data import read_variables

KEYS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret/+=", "Token": "session/token+=="}
BUCKET, REGION, ADDRESS = "models-1", "eu-central-1", "10.42.64.7"
STUB = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'


def wheel(name: str, files: dict[str, str]) -> bytes:
    """A pure wheel as bytes."""
    info, out = f"{name}-1.0.dist-info", io.BytesIO()
    metadata = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    metadata["WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    every = {**files, **{f"{info}/{key}": text for key, text in metadata.items()}}
    every[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*every, f"{info}/RECORD"])
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in every.items():
            archive.writestr(path, text)
    return out.getvalue()


def running_pip() -> bytes:
    """The pip of this interpreter, as the wheel that it came in."""
    package, out = Path(pip.__file__).parent, io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, path.relative_to(package.parent))
    return out.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Instance:
    """A machine before its first boot, and what it can reach."""

    root: Path
    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    version: str = ""

    def publish(self, files: dict[str, bytes]) -> None:
        """Make a bundle of the files in the bucket."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        listed = [{"path": path, "sha256": sha256(content)} for path, content in files.items()]
        whole = {"path": "bundle.tar.gz", "sha256": sha256(archive.getvalue())}
        manifest = json.dumps({"format": 1, "archive": whole, "files": listed}).encode()
        self.version = sha256(manifest)
        prefix = f"/{BUCKET}/{contract.service_prefix(self.version)}"
        self.objects |= {f"{prefix}manifest.json": manifest, f"{prefix}bundle.tar.gz": archive.getvalue()}

    def alter(self, file: str, content: bytes) -> None:
        (key,) = (key for key in self.objects if key.endswith(file))
        self.objects[key] = content

    def boot(self) -> "subprocess.CompletedProcess[str]":
        folders = (str(self.root / name) for name in ("etc/warmfleet", "opt/warmfleet", "etc/systemd/system"))
        script = render(
            Boot(contract.ROLE_NODE, variables(self.version), drain_seconds=100), Places(*folders, "python3")
        )
        tools = self.root / "tools"
        for name in ("systemctl", "useradd"):
            (tools / name).write_text(STUB)
            (tools / name).chmod(0o755)
        environ = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(self.root / "calls"),
            "TMPDIR": str(self.root / "tmp"),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
            "AWS_ENDPOINT_URL": self.url,
            "no_proxy": "127.0.0.1",
        }
        # cloud-init runs the script from a file.
        (self.root / "part-001").write_text(script.replace("--retry 5", "--retry 0"))
        return subprocess.run(
            ["bash", self.root / "part-001"], env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    def calls(self) -> list[str]:
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []


def variables(version: str) -> dict[str, str]:
    return {
        contract.VAR_REGION: REGION,
        contract.VAR_BUCKET: BUCKET,
        contract.VAR_SERVICE_VERSION: version,
        contract.VAR_VLLM: '{"dtype": "$(touch /tmp/never) `never` \\"\\\\"}',
    }


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    for name in ("tools", "tmp", "etc/systemd/system", "opt"):
        (tmp_path / name).mkdir(parents=True)
    made = Instance(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.answer(b"a-token")

        def do_GET(self) -> None:
            made.asked.append((self.path, dict(self.headers.items())))
            metadata = self.path.startswith("/latest/")
            if metadata and self.headers["X-aws-ec2-metadata-token"] != "a-token":
                self.send_error(401)
            elif self.path in made.objects:
                self.answer(made.objects[self.path])
            else:
                self.send_error(404)

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    made.objects = {
        "/latest/meta-data/local-ipv4": ADDRESS.encode(),
        "/latest/meta-data/iam/security-credentials/": b"the-role",
        "/latest/meta-data/iam/security-credentials/the-role": json.dumps(KEYS).encode(),
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    service = wheel("service", {"inference_service/__init__.py": "", "inference_service/node.py": "print('node')"})
    made.publish(
        {
            "wheels/pip-1.0-py3-none-any.whl": running_pip(),
            "wheels/service-1.0-py3-none-any.whl": service,
            "requirements/node.txt": f"service==1.0 --hash=sha256:{sha256(service)}\n".encode(),
        }
    )
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_first_boot_installs_what_the_manifest_describes_and_starts_it(instance: Instance) -> None:
    done = instance.boot()
    assert done.returncode == 0, done.stderr
    release = instance.root / "opt" / "warmfleet" / instance.version
    run = subprocess.run(
        ["python3", "-S", "-m", "inference_service.node"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(release)},
        cwd=instance.root,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert run.stdout == "node\n"
    assert instance.calls()[-2:] == ["systemctl daemon-reload", "systemctl enable --now warmfleet.service"]
    assert list((instance.root / "tmp").iterdir()) == []  # nothing half-done stays behind


def test_the_service_gets_its_variables_its_address_and_time_to_drain(instance: Instance) -> None:
    instance.boot()
    unit = (instance.root / "etc/systemd/system/warmfleet.service").read_text()
    assert f"{contract.VAR_BIND_ADDRESS}={ADDRESS}" in unit
    assert {"User=warmfleet", "Restart=on-failure", "TimeoutStopSec=115"} <= set(unit.splitlines())
    assert read_variables((instance.root / "etc/warmfleet/service.env").read_text()) == variables(instance.version)


def test_requests_to_s3_are_signed_as_botocore_signs_them(instance: Instance) -> None:
    instance.boot()
    asked = [(path, headers) for path, headers in instance.asked if path.startswith(f"/{BUCKET}/")]
    assert len(asked) == 2
    for path, headers in asked:
        given = {name.lower(): text for name, text in headers.items()}
        signed = re.search("SignedHeaders=([^,]+)", given["authorization"])
        assert signed is not None
        names = signed[1].split(";")
        assert {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= set(names)
        request = AWSRequest("GET", instance.url + path, headers={name: given[name] for name in names})
        request.context["timestamp"] = given["x-amz-date"]
        auth = S3SigV4Auth(Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"]), "s3", REGION)
        wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert given["authorization"].endswith(f"Signature={wanted}")


def test_no_secret_is_shown(instance: Instance) -> None:
    done = instance.boot()
    files = [path for path in instance.root.rglob("*") if path.is_file() and "opt" not in path.parts]
    seen = done.stdout + done.stderr + "".join(path.read_text(errors="replace") for path in files)
    assert KEYS["SecretAccessKey"] not in seen
    assert KEYS["Token"] not in seen


@pytest.mark.parametrize("altered", ["manifest.json", "bundle.tar.gz"])
def test_what_was_altered_in_the_bucket_is_never_installed(instance: Instance, altered: str) -> None:
    other = b'{"format": 1}'
    instance.alter(altered, other)
    done = instance.boot()
    assert done.returncode != 0
    assert f"{altered} is altered: its SHA-256 is {sha256(other)} and should be " in done.stderr
    assert list((instance.root / "opt" / "warmfleet").iterdir()) == []
    assert instance.calls() == []


def test_a_wheel_whose_hash_is_not_the_pinned_one_is_not_installed(instance: Instance) -> None:
    instance.publish(
        {
            "wheels/pip-1.0-py3-none-any.whl": running_pip(),
            "wheels/service-1.0-py3-none-any.whl": wheel("service", {"evil.py": ""}),
            "requirements/node.txt": f"service==1.0 --hash=sha256:{'0' * 64}\n".encode(),
        }
    )
    assert instance.boot().returncode != 0
    assert instance.calls() == []


def test_a_value_that_bash_and_systemd_would_read_apart_is_refused() -> None:
    for value in ("it's", "two\nlines"):
        with pytest.raises(UserDataError, match="WARMFLEET_MODEL="):
            render(Boot(contract.ROLE_NODE, {contract.VAR_MODEL: value}, 100))


def test_a_script_above_ec2s_limit_is_refused_and_names_the_longest_value() -> None:
    with pytest.raises(UserDataError, match=rf"above EC2's {MOST_BYTES}; the longest value is WARMFLEET_VLLM"):
        render(Boot(contract.ROLE_NODE, {contract.VAR_VLLM: "x" * MOST_BYTES, contract.VAR_MODEL: "m"}, 100))


def test_the_script_is_below_ec2s_limit_with_room_to_spare() -> None:
    script = render(Boot(contract.ROLE_GATEWAY, variables("0" * 64), 100))
    assert len(script.encode()) < MOST_BYTES / 2
