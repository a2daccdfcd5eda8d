"""Asks an AWS for each behaviour that localcloud/aws adds to moto; run by tests/aws/test_upstream_gaps.py.

    python tests/aws/probes plain|local

In a process of its own: `mock_aws` empties the backends of the process that it runs in.
Prints one JSON object: for each probe null where it passes, else the exception's name and text.
"""

import json
import os
import sys
from collections.abc import Callable

os.environ |= {
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}

import group_probes
import launch_probes
import network_probes
import other_probes
import refresh_probes
import s3_probes
from world import local_cloud, plain_moto

MODULES = (group_probes, refresh_probes, launch_probes, network_probes, other_probes, s3_probes)
PROBES = [probe for module in MODULES for probe in module.PROBES]
WORLDS = {"plain": plain_moto, "local": local_cloud}


def outcome(probe: Callable[[], None], kind: str) -> tuple[str, str] | None:
    with WORLDS[kind]():
        try:
            probe()
        except Exception as error:
            return type(error).__name__, str(error)[:300]
    return None


if __name__ == "__main__":
    json.dump({probe.__name__: outcome(probe, sys.argv[1]) for probe in PROBES}, sys.stdout)
