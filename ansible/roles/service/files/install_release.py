"""install_release.py BUNDLE REQUIREMENTS DESTINATION: install a set of the bundle's wheels, offline, hash by hash.

The image has no pip: the bundle's own runs from its wheel. DESTINATION appears complete or not at all.
infra/user_data.py puts this very file into the script of first boots.
"""

import glob
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

bundle, requirements, destination = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
work = pathlib.Path(tempfile.mkdtemp(prefix=".install-", dir=destination.parent))
(pip,) = glob.glob(str(bundle / "wheels" / "pip-*.whl"))
command = [sys.executable, "-m", "pip", "install", "--quiet", "--isolated", "--disable-pip-version-check", "--no-index"]
command += [
    "--no-cache-dir",
    "--root-user-action",
    "ignore",
    "--find-links",
    "wheels",
    "--require-hashes",
    "--requirement",
    requirements,
]
try:
    done = subprocess.run(
        [*command, "--target", str(work / "release")], cwd=bundle, env={**os.environ, "PYTHONPATH": pip}
    )
    if done.returncode:
        sys.exit(f"{requirements} of {bundle} is not installed: pip ended with {done.returncode}")
    if not destination.exists():
        (work / "release").rename(destination)
finally:
    shutil.rmtree(work, ignore_errors=True)
