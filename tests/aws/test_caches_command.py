"""`warmfleet models caches` against moto's S3."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from inference_service import contract
from inference_service.artifacts import ArtifactStore
from inference_service.artifacts.compile_cache import CacheFacts, pack
from scripts.cli import run
from scripts.commands import caches

BUCKET = "models-bucket"
FACTS = CacheFacts("tiny", "v1", "1" * 64, "vllm 0.32.0", "NVIDIA L4, compute capability 8.9", "x86_64", ("--dtype",))
KEY = FACTS.key()


@pytest.fixture(autouse=True)
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Two nodes offer the same; for each look at the bucket whether it was as the promoter."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    looks = list[bool]()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "kernel.so").write_bytes(b"code")
    pack(tmp_path / "code", FACTS, tmp_path / "cache.tar")
    with mock_aws():
        store = ArtifactStore(boto3.client("s3", region_name="us-east-1"), BUCKET, contract.CACHES_PREFIX)
        store.s3.create_bucket(Bucket=BUCKET)
        for name in ("i-1", "i-2"):
            key = f"{contract.offers_prefix('tiny', KEY)}{name}.tar"
            store.s3.put_object(Bucket=BUCKET, Key=key, Body=(tmp_path / "cache.tar").read_bytes())

        def opened(_stack: str, _model: str, *, promoter: bool = False) -> ArtifactStore:
            looks.append(promoter)
            return store

        monkeypatch.setattr(caches, "_open", opened)
        yield looks


def states(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert run(["models", "caches", "list", "tiny", "--json"]) == 0
    return [each["state"] for each in json.loads(capsys.readouterr().out)["caches"]]


def test_an_offer_is_listed_accepted_and_withdrawn(capsys: pytest.CaptureFixture[str], offered: list[bool]) -> None:
    assert sorted(states(capsys)) == ["offered by i-1", "offered by i-2"]
    assert run(["models", "caches", "accept", "tiny", KEY[:8], "--instance", "i-2", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["key"], done["instance_id"]) == (KEY, "i-2")
    assert states(capsys)[0] == "accepted"
    assert run(["models", "caches", "list", "tiny"]) == 0
    assert "NVIDIA L4" in " ".join(capsys.readouterr().out.split())
    assert run(["models", "caches", "withdraw", "tiny", KEY]) == 0
    assert "accepted" not in states(capsys)
    assert offered == [False, True, False, False, True, False]


def test_a_key_has_to_name_one_offer_and_one_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "caches", "accept", "tiny", KEY]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "offer" in said
    assert "name one by --instance" in said
    assert run(["models", "caches", "withdraw", "tiny", KEY]) == 1
    assert "fitting: none" in " ".join(capsys.readouterr().err.split())
