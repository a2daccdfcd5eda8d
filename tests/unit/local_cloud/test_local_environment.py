"""The environment in which nothing but the local cloud can be reached."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

from localcloud import environment
from localcloud.cloud_state import CloudState
from localcloud.environment import PATH_ADDED, aws_environment, entering, leaving, pulumi_environment

STATE = CloudState("cafe", 1, 1.0, "http://127.77.0.1:4566", 5555, "127.77", "us-east-1")
POISON = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/keys",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
    "PULUMI_ACCESS_TOKEN": "pul-real",
    "PULUMI_BACKEND_URL": "s3://real",
    "PULUMI_CONFIG_PASSPHRASE_FILE": "/secret",
    "BOTO_CONFIG": "/home/me/.boto",
    "HTTPS_PROXY": "http://proxy:3128",
    "http_proxy": "http://proxy:3128",
    "grpc_proxy": "http://proxy:3128",
    "no_proxy": "example.com",
}
KEPT = {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "EDITOR": "vi"}


def test_nothing_of_the_users_accounts_backends_and_proxies_is_left() -> None:
    made = pulumi_environment(STATE, Path("/checkout"), POISON | KEPT, Path("/cli"))
    assert not set(POISON.values()) & set(made.values())
    assert {name: made[name] for name in ("HOME", "EDITOR")} == {"HOME": "/home/me", "EDITOR": "vi"}
    assert "AWS_PROFILE" not in made
    assert "AWS_SESSION_TOKEN" not in made
    assert made["AWS_ENDPOINT_URL"] == STATE.endpoint_url
    assert made["NO_PROXY"] == made["no_proxy"] == "127.0.0.0/8,localhost"


def test_profiles_and_keys_in_the_users_home_are_not_read(tmp_path: Path) -> None:
    """Also not by botocore's oldest way, ~/.boto."""
    (tmp_path / ".aws").mkdir()
    for name, section in ((".aws/credentials", "default"), (".aws/config", "default"), (".boto", "Credentials")):
        text = f"[{section}]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\nregion = eu-west-1\n"
        (tmp_path / name).write_text(text)
    show = (
        "import botocore.session as b; s = b.get_session(); c = s.get_credentials();"
        "print(c and c.access_key, s.get_config_variable('region'))"
    )
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_PROFILE": "production"}

    def shown(environ: dict[str, str]) -> str:
        done = subprocess.run([sys.executable, "-c", show], env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert shown({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}) == "AKIAREAL eu-west-1"  # the poison works
    assert shown(aws_environment(STATE, base)) == "local us-east-1"
    without_keys = environment.without_outside(base) | {"AWS_EC2_METADATA_DISABLED": "true"}
    assert shown(without_keys) == "None None"


def test_the_cli_uses_the_checkouts_backend_and_the_attached_provider() -> None:
    made = pulumi_environment(STATE, Path("/checkout"), KEPT, Path("/cli"))
    assert made["PULUMI_BACKEND_URL"] == "file:///checkout/.warmfleet/pulumi"
    assert made["PULUMI_HOME"] == "/checkout/.warmfleet/pulumi-home"
    assert made["PULUMI_DEBUG_PROVIDERS"] == "aws:5555"
    assert made["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert made["PATH"].startswith("/cli:")


def test_our_language_host_is_on_path_only_where_no_official_one_is(tmp_path: Path) -> None:
    own = str(environment.language_host_folder())
    without = pulumi_environment(STATE, tmp_path, {"PATH": str(tmp_path)}, Path("/cli"))["PATH"].split(":")
    assert without == ["/cli", str(tmp_path), own]  # last: an official one that is installed later wins
    official = tmp_path / "pulumi-language-python"
    official.write_text("#!/bin/sh\n")
    official.chmod(0o755)
    assert own not in pulumi_environment(STATE, tmp_path, {"PATH": f"{tmp_path}:{own}"}, Path("/cli"))["PATH"]


def applied(base: dict[str, str], changes: environment.ShellChanges) -> dict[str, str]:
    return {name: value for name, value in base.items() if name not in changes.unset} | changes.export


def test_entering_twice_and_leaving_gives_the_shell_back_less_what_led_elsewhere(tmp_path: Path) -> None:
    cli, later = tmp_path / "cli", tmp_path / "later"
    inside = applied(KEPT | POISON, entering(STATE, tmp_path, KEPT | POISON, cli))
    assert {name for name in inside if inside[name] in POISON.values()} == set()
    again = applied(inside, entering(STATE, tmp_path, inside, later))
    assert again["PATH"].split(":")[0] == str(later)
    assert again[PATH_ADDED].split(":")[-1] == str(later)
    assert applied(again, leaving(again)) == KEPT


def test_a_cli_that_the_user_had_on_path_stays_there_after_leaving(tmp_path: Path) -> None:
    base = KEPT | {"PATH": "/usr/bin:/opt/pulumi"}
    inside = applied(base, entering(STATE, tmp_path, base, Path("/opt/pulumi")))
    assert inside["PATH"].startswith("/opt/pulumi:/usr/bin")
    assert set(applied(inside, leaving(inside))["PATH"].split(":")) == {"/usr/bin", "/opt/pulumi"}


@pytest.mark.parametrize("name", ["AWS_REGION", "https_proxy", "ALL_PROXY", "PULUMI_STACK", "BOTO_CONFIG"])
def test_variables_that_lead_elsewhere_are_recognised(name: str) -> None:
    assert environment.leads_elsewhere(name)


def test_botocore_knows_no_further_place_for_keys_than_those_shut_here() -> None:
    """A new provider in botocore's chain is a new way to real keys: then look at without_outside again."""
    session = botocore.session.Session()
    known = [provider.METHOD for provider in session.get_component("credential_provider").providers]
    assert set(known) == {
        "env", "assume-role", "assume-role-with-web-identity", "sso", "shared-credentials-file", "login",
        "custom-process", "config-file", "ec2-credentials-file", "container-role", "boto-config", "iam-role",
    }  # fmt: skip


def test_ansible_reaches_hosts_through_their_namespace_and_leaves_nothing_set() -> None:
    hosts = CloudState("cafe", 1, 1.0, "http://127.77.0.1:4566", 5555, "127.77", "us-east-1", "hosts", "warmfleet-1")
    changes = entering(hosts, Path("/checkout"), KEPT, Path("/cli"))
    words = shlex.split(changes.export["ANSIBLE_SSH_ARGS"])
    assert f"ProxyCommand={sys.executable} -m localcloud.hosts.connect warmfleet-1 %h %p" in words
    assert changes.export["ANSIBLE_PRIVATE_KEY_FILE"] == "/checkout/.warmfleet/ssh/id_ed25519"
    assert {*environment.FOR_ANSIBLE} <= {*leaving(KEPT | changes.export).unset}
    assert not {*environment.FOR_ANSIBLE} & {*entering(STATE, Path("/checkout"), KEPT, Path("/cli")).export}
