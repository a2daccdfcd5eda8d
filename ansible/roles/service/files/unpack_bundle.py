"""unpack_bundle.py VERSION FOLDER DESTINATION: unpack FOLDER/bundle.tar.gz, if it is what VERSION says, file by file.

VERSION is the SHA-256 of FOLDER/manifest.json, which holds those of the archive and of each file in it. DESTINATION
appears complete or not at all. infra/user_data.py puts this very file into the script of first boots.
"""

import hashlib
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile


def verified(path, content, expected):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit(f"{path} is altered: its SHA-256 is {found} and should be {expected}; nothing is installed")
    return content


def unpack(manifest, archive, folder):
    for entry in manifest["files"]:
        try:
            content = archive.extractfile(entry["path"]).read()
        except (KeyError, AttributeError):
            sys.exit(f"{entry['path']} is not a file in bundle.tar.gz; nothing is installed")
        path = folder / entry["path"]
        if folder not in path.resolve().parents:
            sys.exit(f"{entry['path']} would lie outside of the bundle; nothing is installed")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(verified(entry["path"], content, entry["sha256"]))


version, source, destination = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
manifest = json.loads(verified("manifest.json", (source / "manifest.json").read_bytes(), version))
verified("bundle.tar.gz", (source / "bundle.tar.gz").read_bytes(), manifest["archive"]["sha256"])
work = pathlib.Path(tempfile.mkdtemp(prefix=".unpack-", dir=destination.parent)).resolve()
try:
    work.chmod(0o755)
    with tarfile.open(source / "bundle.tar.gz") as archive:
        unpack(manifest, archive, work)
    if not destination.exists():
        work.rename(destination)
finally:
    shutil.rmtree(work, ignore_errors=True)
