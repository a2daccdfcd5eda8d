"""`warmfleet down`: removes every process, file and cloud resource that `warmfleet up` made."""

import os
import sys
from pathlib import Path

from scripts.options import JsonFlag


def down(as_json: JsonFlag = False) -> None:
    """Destroy the local stack, end the local cloud and remove its files. Touches nothing on AWS.

    The virtual environment and the caches stay; `make clean` removes the first.

    Example: warmfleet down
    """
    from scripts import terminal
    from scripts.progress import Steps
    from scripts.removal import remove
    from scripts.root import find_root

    removed = remove(find_root(Path.cwd()), Steps(sys.stderr), os.environ)
    if as_json:
        terminal.print_json({"removed": removed})
    elif not removed:
        terminal.say("nothing is running, nothing to remove")
