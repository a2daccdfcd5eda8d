"""What the tests of first boots share: a stack's settings, and whether there is a bundle to boot with."""

import sys

import pytest

from infra.settings import StackSettings
from infra.stack import BUNDLE_FOLDER

SETTINGS = StackSettings.model_validate(
    {
        "region": "us-east-1",
        "allowed_account_ids": ["123456789012"],
        "environment": "test",
        "models": [
            {"name": "small", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]},
            {
                "name": "large",
                "engine": "vllm",
                "gpu_memory_gib": 10,
                "instance_types": ["g6.xlarge"],
                "vllm": {"dtype": "bfloat16", "extra_arguments": ["--seed", 'a "b" \\ $HOME `c` %n #']},
            },
        ],
    }
)
OBJECTS = ("manifest.json", "bundle.tar.gz")

NEEDS = [
    pytest.mark.skipif(
        not (BUNDLE_FOLDER / "manifest.json").exists(), reason="there is no service bundle; run: make bundle"
    ),
    pytest.mark.skipif(sys.version_info[:2] not in ((3, 11), (3, 12)), reason="instances have Python 3.11 or 3.12"),
]
