"""make_environment.py BUNDLE REQUIREMENTS DESTINATION: a virtual environment with pinned packages, hash by hash.

The image has no pip: the bundle's own runs from its wheel. Environments cannot be moved, so DESTINATION gets a file
`complete` at the end; without it, it is made anew.
"""

import glob
import os
import shutil
import subprocess
import sys
import venv

bundle, requirements, destination = sys.argv[1:]
(pip,) = glob.glob(os.path.join(bundle, "wheels", "pip-*.whl"))
shutil.rmtree(destination, ignore_errors=True)
venv.create(destination, symlinks=True)
python = os.path.join(destination, "bin", "python")
command = [sys.executable, os.path.join(pip, "pip"), "--python", python, "--disable-pip-version-check", "install"]
command += ["--quiet", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement", requirements]
if code := subprocess.run(command).returncode:
    shutil.rmtree(destination, ignore_errors=True)
    sys.exit(f"{requirements} is not installed: pip ended with {code}")
with open(os.path.join(destination, "complete"), "w"):
    pass
