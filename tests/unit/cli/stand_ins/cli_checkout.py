"""A checkout with a made-up `pulumi` on PATH, in which the real command runs as a process."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
OUTPUTS: dict[str, Any] = {
    "region": "us-east-1",
    "environment": "dev",
    "bucketName": "models-bucket",
    "gatewayUrl": "http://127.0.0.1:9/",
    "gatewayGroup": "gateways",
    "serviceVersion": "0" * 64,
    "fleets": {
        "tiny": {
            "spotGroup": "tiny-spot",
            "onDemandGroup": "tiny-on-demand",
            "initialNodes": 2,
            "launchHook": "launch",
            "terminateHook": "terminate",
        }
    },
}
PULUMI = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >>"$here/calls"
case "$1 $2" in
    "version "*) echo v3.230.0 ;;
    "stack output") cat "$here/outputs.json" ;;
    "stack select") ;;
    *) . "$here/behaviour.sh" ;;
esac
"""


@dataclass
class Checkout:
    """A folder with Pulumi.yaml; `environ` has a `pulumi` of ours before everything else on PATH."""

    root: Path
    bin: Path
    environ: dict[str, str]

    def outputs(self, **changed: Any) -> None:
        """Set what `pulumi stack output --json` prints."""
        (self.bin / "outputs.json").write_text(json.dumps(OUTPUTS | changed))

    def behaviour(self, script: str) -> None:
        """Set what `pulumi up`, `destroy` and the like do, in sh."""
        (self.bin / "behaviour.sh").write_text(script)

    def calls(self) -> list[str]:
        """The command lines that `pulumi` got, without questions for its version."""
        path = self.bin / "calls"
        return [line for line in path.read_text().splitlines() if line != "version"] if path.exists() else []

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "scripts.cli", *arguments]

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `warmfleet` with these arguments in the checkout."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
