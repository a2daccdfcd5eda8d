"""A service that writes down what it was given, then does what the variable WARMFLEET_ACT says."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

data = Path(os.environ["WARMFLEET_DATA_DIR"])
act = os.environ.get("WARMFLEET_ACT", "serve")
child = None
if act == "stubborn":  # ignores SIGTERM, and so does its child in a session of its own
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True).pid
starts = len(list(data.glob("start-*.json"))) + 1
told = {"pid": os.getpid(), "child": child, "environ": dict(os.environ), "cwd": str(Path.cwd())}
unfinished = data / "unfinished"
unfinished.write_text(json.dumps(told))
unfinished.rename(data / f"start-{starts}.json")
print(f"start {starts}", flush=True)
if act.startswith("exit "):
    sys.exit(int(act.removeprefix("exit ")))
time.sleep(60)
