"""What hashing costs a node's download. `python tests/benchmarks/bench_download.py`.

One file of 2 GiB over loopback: by the node's own fetcher, by the same without a look at what it got, and by s5cmd,
which checks nothing either, in rounds that take turns. nginx stands for S3 (a bucket is a folder, a range is a range),
first with S3's pace of each connection, then with none. Bound: 1.35 times the time without hashing, at that pace;
with none, the processors are all that limits, and whoever computes less is faster. Prints one table; ends with 1 if the
bound is missed, with 0 and a reason where nginx is not installed. That a download goes on after a kill:
tests/aws/test_artifact_interrupted.py.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import boto3
from botocore.config import Config
from figures import Figure, report
from relays import HERE, nginx, nginx_process

from inference_service import contract
from inference_service.artifacts import ArtifactStore, FileEntry, Manifest, VersionRef
from inference_service.node import download
from inference_service.node.local_versions import LocalVersions

S5CMD = HERE.parents[1] / "build" / "yardsticks" / "bin" / "s5cmd"
BUCKET, MODEL, VERSION, WEIGHTS = "bench", "bench", "v1", "model.safetensors"
MIB = 1 << 20
MOST_TIMES_UNHASHED = 1.35
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html: 85-90 MB/s each
PACES = {"90 MB/s a connection": "limit_rate 90m;", "no limit": ""}
SHARED_MEMORY = Path("/dev/shm")  # disks differ, and are not what is measured
KEYS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": "us-east-1"}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--mib", type=int, default=2048, help="size of the file")
    given = options.parse_args()
    if not (program := nginx()):
        print("download benchmark skipped: nginx, its S3, is not installed (apt-get install nginx-light)")
        return 0
    where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="warmfleet-bench-", dir=where) as name:
        folder = Path(name)
        reference = published(folder / "s3" / BUCKET, given.mib)
        return report(all_figures(program, folder, reference, given.rounds, given.mib))


def all_figures(program: str, folder: Path, reference: VersionRef, rounds: int, mib: int) -> Iterator[Figure]:
    for pace, directive in PACES.items():
        with s3_of_files(program, folder, directive) as endpoint:
            seconds = measured(ways(endpoint, folder / "node", reference), folder / "node", rounds)
        for name, each in seconds.items():
            print(f"{pace}: {name} {mib * MIB / 1e6 / statistics.median(each):.0f} MB/s, median of {rounds}")
        ratio = statistics.median(a / b for a, b in zip(seconds["hashed"], seconds["unhashed"], strict=True))
        if directive:
            yield Figure(f"{pace}: hashed / unhashed, median of the rounds", ratio, MOST_TIMES_UNHASHED, "times")
        else:
            print(f"{pace}: hashed / unhashed, median of the rounds: {ratio:.2f} times")


def published(bucket: Path, mib: int) -> VersionRef:
    """A version as `models publish` leaves it: the file, and the manifest beside it."""
    prefix = bucket / contract.model_prefix(MODEL, VERSION)
    prefix.mkdir(parents=True)
    digest, block = hashlib.sha256(), os.urandom(MIB)
    with (prefix / WEIGHTS).open("wb") as stream:
        for _ in range(mib):
            stream.write(block)
            digest.update(block)
    manifest = Manifest(MODEL, VERSION, (FileEntry(WEIGHTS, mib * MIB, digest.hexdigest()),))
    (prefix / contract.MANIFEST_NAME).write_bytes(manifest.to_json())
    return VersionRef(VERSION, manifest.sha256())


@contextlib.contextmanager
def s3_of_files(program: str, folder: Path, pace: str) -> Iterator[str]:
    manifest = f"/{BUCKET}/{contract.model_prefix(MODEL, VERSION)}{contract.MANIFEST_NAME}"
    with nginx_process(program, folder, f"sendfile on; root {folder}/s3; {pace}", manifest) as served:
        yield f"http://{served.host}:{served.port}"


def ways(endpoint: str, data: Path, reference: VersionRef) -> dict[str, Callable[[], None]]:
    config = Config(max_pool_connections=2 * download.PARALLEL_PARTS, s3={"addressing_style": "path"})
    session = boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name=KEYS["AWS_REGION"])
    store = ArtifactStore(session.client("s3", endpoint_url=endpoint, config=config), BUCKET)
    fetcher = download.VersionFetcher(store, LocalVersions(data, MODEL))

    def hashed() -> None:
        fetcher.fetch(reference, download.Progress())

    def unhashed() -> None:
        with patch.object(download._Transfer, "verify", lambda _, parts: [part.result() for part in parts]):
            hashed()

    def s5cmd() -> None:
        data.mkdir()
        source = f"s3://{BUCKET}/{contract.model_prefix(MODEL, VERSION)}{WEIGHTS}"
        command = [str(S5CMD), "--endpoint-url", endpoint, "cp", "--concurrency", "8", source, f"{data}/"]
        subprocess.run(command, check=True, capture_output=True, env=dict(os.environ) | KEYS)

    return {"unhashed": unhashed, "hashed": hashed} | ({"s5cmd": s5cmd} if S5CMD.exists() else {})


def measured(ways: dict[str, Callable[[], None]], data: Path, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            shutil.rmtree(data, ignore_errors=True)
            started = time.monotonic()
            way()
            if number:  # the first one is to have everything loaded and cached
                seconds[name].append(time.monotonic() - started)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
