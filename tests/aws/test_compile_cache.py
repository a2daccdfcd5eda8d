"""Compiled code from node to node by way of moto's S3: offered, accepted, fetched; and no trouble with it stops a node.

The engine is scripted: it compiles unless it finds its code, and fails with code that is not its own.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from inference_service import contract
from inference_service.artifacts import ArtifactStore, VersionRef, publish
from inference_service.artifacts.compile_cache import CacheFacts
from inference_service.artifacts.errors import IntegrityError
from inference_service.node import compile_cache
from inference_service.node.admission import Admission
from inference_service.node.compile_cache import CacheUse, CompileCaches
from inference_service.node.download import Progress, VersionFetcher
from inference_service.node.engines.protocol import Compiler, EngineError
from inference_service.node.engines.stub import StubEngine
from inference_service.node.local_versions import LocalVersions
from inference_service.node.metrics import NodeMetrics
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from inference_service.node.warm_up import WarmUp
from scripts import compile_caches

BUCKET = "models-bucket"
CODE = b"compiled for NVIDIA L4"


class CompilingEngine(StubEngine):
    """Keeps one file of code; counts how often it had to make it."""

    def __init__(self, gpu: str = "NVIDIA L4, compute capability 8.9") -> None:
        super().__init__(StubSettings())
        self.gpu = gpu
        self.compiled = 0
        self.loads = 0

    async def compiler(self) -> Compiler | None:
        return Compiler("vllm 0.32.0, torch 2.13.0", self.gpu, ("--dtype", "auto"))

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        self.loads += 1
        assert compiled is not None
        code = compiled / "torch_compile_cache" / "kernel.so"
        if code.exists() and code.read_bytes() != CODE:
            raise EngineError("undefined symbol")
        if not code.exists():
            self.compiled += 1
            code.parent.mkdir(parents=True)
            code.write_bytes(CODE)
        await super().load(directory)


@dataclass
class Node:
    """One instance's disk and engine; `start` is a process of it."""

    store: ArtifactStore
    reference: VersionRef
    folder: Path
    engine: CompilingEngine = field(default_factory=CompilingEngine)
    caches_bucket: str = BUCKET

    @property
    def instance_id(self) -> str:
        return self.folder.name

    async def start(self) -> NodeStatus:
        """Until it is ready and what it offers is offered."""
        status = NodeStatus("m", "stub", Admission(2, 2), instance_id=self.instance_id)
        store = ArtifactStore(self.store.s3, self.caches_bucket, contract.CACHES_PREFIX)
        caches = WaitedFor(store, self.folder, "m", self.instance_id)
        fetcher = VersionFetcher(ArtifactStore(self.store.s3, BUCKET), LocalVersions(self.folder, "m"))
        warm_up = WarmUp(status, self.engine, fetcher, load_timeout_seconds=5, caches=caches)
        await warm_up.load(await warm_up.fetch(self.reference, frozenset()))
        return status


class WaitedFor(CompileCaches):
    """Offers before it returns."""

    def offer(self, use: CacheUse) -> threading.Thread | None:
        if thread := super().offer(use):
            thread.join()
        return thread


class Cloud:
    """A bucket with version v1 of model m, and any number of nodes."""

    def __init__(self, s3: Any, folder: Path) -> None:
        models = ArtifactStore(s3, BUCKET)
        (folder / "m.gguf").write_bytes(b"GGUF")
        published = publish(models, "m", [folder / "m.gguf"], progress=lambda _: None)
        self.reference = VersionRef(published.version, published.manifest_sha256)
        self.caches = ArtifactStore(s3, BUCKET, contract.CACHES_PREFIX)
        self._folder = folder

    def node(self, name: str, **engine: str) -> Node:
        return Node(self.caches, self.reference, self._folder / name, CompilingEngine(**engine))

    def accept(self) -> str:
        """What a person does with the one offer there is; its key."""
        (offer,) = compile_caches.offers(self.caches, "m")
        compile_caches.accept(self.caches, "m", offer)
        return offer.key

    def put(self, key: str, name: str, body: bytes) -> None:
        self.caches.s3.put_object(Bucket=BUCKET, Key=self.caches.version_prefix("m", key) + name, Body=body)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield Cloud(s3, tmp_path)


async def test_one_node_compiles_and_after_a_person_has_accepted_it_the_others_do_not(cloud: Cloud):
    first, before, second = cloud.node("i-1"), cloud.node("i-2"), cloud.node("i-3")
    assert (await first.start()).compile_cache == contract.CACHE_ABSENT
    assert (await before.start()).compile_cache == contract.CACHE_ABSENT  # offered is not accepted
    assert (first.engine.compiled, before.engine.compiled) == (1, 1)
    assert [offer.instance_id for offer in compile_caches.offers(cloud.caches, "m")] == ["i-1"]  # one is enough
    cloud.accept()

    status = await second.start()
    assert (status.compile_cache, second.engine.compiled) == (contract.CACHE_FETCHED, 0)
    assert status.report()["warm_up_seconds"][contract.PHASE_CACHE] >= 0
    assert status.report()["compile_cache"] == "fetched"
    said = NodeMetrics().exposition(status, None).decode()
    assert 'inference_compile_cache{outcome="fetched"} 1.0' in said
    assert 'inference_compile_cache{outcome="absent"} 0.0' in said


async def test_a_service_that_starts_again_finds_its_own(cloud: Cloud):
    node = cloud.node("i-1")
    await node.start()
    assert (await node.start()).compile_cache == contract.CACHE_KEPT
    assert node.engine.compiled == 1


async def test_another_gpu_compiles_for_itself(cloud: Cloud):
    await cloud.node("i-1").start()
    cloud.accept()
    other = cloud.node("i-2", gpu="NVIDIA H100, compute capability 9.0")
    assert (await other.start()).compile_cache == contract.CACHE_ABSENT
    assert other.engine.compiled == 1
    assert len({offer.key for offer in compile_caches.offers(cloud.caches, "m")}) == 2


@pytest.mark.parametrize("name", ["cache.tar", "facts.json", "manifest.json"])
async def test_code_that_was_altered_in_the_bucket_is_not_run_and_the_node_starts(cloud: Cloud, name: str):
    await cloud.node("i-1").start()
    cloud.put(cloud.accept(), name, b"altered")
    node = cloud.node("i-2")
    status = await node.start()
    assert (status.compile_cache, status.ready, node.engine.compiled) == (contract.CACHE_REFUSED, False, 1)
    assert (await node.start()).compile_cache == contract.CACHE_KEPT  # its own


async def test_code_of_another_key_is_not_run(cloud: Cloud):
    """As if somebody had copied it: whole, verified, and for another GPU."""
    await cloud.node("i-1", gpu="NVIDIA H100, compute capability 9.0").start()
    right = cloud.accept()
    node = cloud.node("i-2")
    await node.start()
    wrong = next(each.key for each in compile_caches.offers(cloud.caches, "m") if each.key != right)
    source = cloud.caches.version_prefix("m", right)
    body = cloud.caches.s3.get_object(Bucket=BUCKET, Key=source + "cache.tar")["Body"].read()
    (node.folder / "cache.tar").write_bytes(body)
    publish(cloud.caches, "m", [node.folder / "cache.tar"], version=wrong, allow_code=True, progress=lambda _: None)
    other = cloud.node("i-3")
    assert (await other.start()).compile_cache == contract.CACHE_REFUSED
    assert other.engine.compiled == 1


async def test_an_engine_that_fails_with_the_code_it_found_compiles_anew(cloud: Cloud):
    node = cloud.node("i-1")
    await node.start()
    (kernel,) = node.folder.rglob("kernel.so")
    kernel.write_bytes(b"damaged on the disk")
    status = await node.start()
    assert (status.compile_cache, node.engine.compiled) == (contract.CACHE_REFUSED, 2)
    assert kernel.read_bytes() == CODE


async def test_an_engine_that_fails_without_any_is_tried_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    node = cloud.node("i-1")

    async def broken(_: Path, compiled: Path | None = None) -> None:
        node.engine.loads += 1
        raise EngineError("CUDA out of memory")

    monkeypatch.setattr(node.engine, "load", broken)
    with pytest.raises(EngineError, match="out of memory"):
        await node.start()
    assert node.engine.loads == 1


async def test_a_bucket_that_cannot_be_read_or_written_costs_the_cache_alone(cloud: Cloud):
    node = cloud.node("i-1")
    node.caches_bucket = "no-such-bucket"
    assert (await node.start()).compile_cache == contract.CACHE_REFUSED
    assert (await node.start()).compile_cache == contract.CACHE_KEPT  # and offers in vain
    assert compile_caches.offers(cloud.caches, "m") == []


async def test_an_offer_that_is_too_large_is_left_out(cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compile_cache, "MOST_OFFERED_BYTES", 10)
    node = cloud.node("i-1")
    await node.start()
    assert compile_caches.offers(cloud.caches, "m") == []
    assert [each.name for each in node.folder.rglob("*.partial")] == []


async def test_a_withdrawn_one_is_compiled_and_offered_anew(cloud: Cloud):
    await cloud.node("i-1").start()
    key = cloud.accept()
    compile_caches.withdraw(cloud.caches, "m", key)
    assert compile_caches.accepted(cloud.caches, "m") == []
    assert (await cloud.node("i-2").start()).compile_cache == contract.CACHE_ABSENT
    assert cloud.accept() == key
    assert [each.key for each in compile_caches.accepted(cloud.caches, "m")] == [key]


async def test_an_offer_that_is_not_what_its_key_says_cannot_be_accepted(cloud: Cloud):
    await cloud.node("i-1").start()
    (offer,) = compile_caches.offers(cloud.caches, "m")
    body = cloud.caches.s3.get_object(Bucket=BUCKET, Key=offer.object_key("m"))["Body"].read()
    wrong = f"{contract.offers_prefix('m', 'f' * 32)}i-1.tar"
    cloud.caches.s3.put_object(Bucket=BUCKET, Key=wrong, Body=body)
    newest = next(each for each in compile_caches.offers(cloud.caches, "m") if each.key == "f" * 32)
    assert newest.facts is None
    with pytest.raises(IntegrityError, match=f"says of itself that its key is {offer.key}"):
        compile_caches.accept(cloud.caches, "m", newest)
    assert compile_caches.accepted(cloud.caches, "m") == []


async def test_only_the_last_two_stay_on_the_disk(cloud: Cloud):
    node = cloud.node("i-1")
    keys = CompileCaches(cloud.caches, node.folder, "m", "i-1")
    for version in ("a", "b", "b", "c", "b"):
        facts = CacheFacts("m", version, "1" * 64, "e", "g", "x", ())
        directory = keys.bring(facts, Progress()).directory
        assert directory is not None
        directory.mkdir(parents=True, exist_ok=True)
        (directory / version).write_bytes(b"")
    assert sorted(path.name for path in (node.folder / "compiled").rglob("*") if path.is_file()) == ["b", "c"]
