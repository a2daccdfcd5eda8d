"""What a diagnosis says of a host is read by many; no secret that a journal can hold is in it."""

import re

import pytest
import yaml

from tests.ansible.programs import ANSIBLE


def removed(text: str) -> str:
    """As the playbook's last task writes it."""
    diagnose = yaml.safe_load((ANSIBLE / "diagnose.yml").read_text())[1]
    return re.sub("(?i)" + "|".join(diagnose["vars"]["diagnose_secrets"]), "[removed]", text)


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer SECRET",
        '{"Authorization": "Bearer SECRET"}',
        "{'authorization': 'Basic SECRET'}",
        "bearer SECRET",
        "key wf-0123abcd-SECRET was refused",
        "--api-key SECRET --port 8000",
        "--hf-token=SECRET",
        "HF_TOKEN=SECRET",
        "token hf_SECRETSECRETSECRET",
        'user = "AKIAIOSFODNN7EXAMPLE:SECRET"',
        "AWS_SECRET_ACCESS_KEY=SECRET",
        "X-Amz-Security-Token=SECRET&X-Amz-Signature=SECRET",
        "https://user:SECRET@example.com/path",
        "password: 'SECRET SECRET'",
        "db_passwd = SECRET",
        '"client_secret" : "SECRET"',
    ],
)
def test_a_secret_is_removed_however_it_is_written(line: str) -> None:
    said = removed(f"before {line} after")
    assert "SECRET" not in said.replace("AWS_SECRET", "").replace("_SECRET_", "")
    assert "[removed]" in said
    assert said.startswith("before ")


@pytest.mark.parametrize(
    "line",
    ["Started warmfleet-node.service.", "--max-model-len 4096", "loaded 12 shards in 3.2 s", "http://127.0.0.1:8"],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert removed(line) == line
