"""check_bundle.py FOLDER SET: whether FOLDER/bundle.tar.gz is what its manifest says, with every wheel that SET needs.

SET is a file of pinned requirements in the archive. Changes nothing; says all that is wrong and ends with 1.
Runs where the playbook runs, before a host gets anything.
"""

import hashlib
import json
import pathlib
import re
import sys
import tarfile

PINNED = re.compile(r"([A-Za-z0-9._-]+)==[^\s;\\]+")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def sha256_of(file):
    return hashlib.file_digest(file, "sha256").hexdigest()


def missing_wheels(requirements, wheels):
    """`wheels`: SHA-256 of each wheel that the manifest lists. A requirement's hashes follow it until the next one."""
    lines = requirements.replace("\\\n", " ").splitlines()
    return [
        f"{pinned[0]} is not among the bundle's wheels, or has another hash"
        for line in lines
        if (pinned := PINNED.match(line)) and wheels.isdisjoint(HASH.findall(line))
    ]


def problems(folder, wanted):
    manifest = json.loads((folder / "manifest.json").read_bytes())
    files = {each["path"]: each["sha256"] for each in manifest["files"]}
    with open(folder / "bundle.tar.gz", "rb") as packed:
        if (found := sha256_of(packed)) != (said := manifest["archive"]["sha256"]):
            return [f"bundle.tar.gz is altered: its SHA-256 is {found} and should be {said}"]
    with tarfile.open(folder / "bundle.tar.gz") as archive:
        requirements = archive.extractfile(wanted).read().decode()
    return missing_wheels(requirements, {sha256 for path, sha256 in files.items() if path.startswith("wheels/")})


try:
    wrong = problems(pathlib.Path(sys.argv[1]), sys.argv[2])
except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
    wrong = [f"this is no service bundle: {type(error).__name__}: {error}"]
sys.exit("; ".join(wrong) if wrong else 0)
