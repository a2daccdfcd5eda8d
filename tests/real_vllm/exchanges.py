"""What vLLM was asked and what it said, on disk: one file for each recorded case.

Ids and times of a recording are replaced, so that recording anew changes only what vLLM does otherwise.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "contract" / "recorded"
CASE_PATH = "/recorded-case"  # asked by whoever records or replays, never by the node
METRICS = re.compile(r"(# TYPE )?vllm:(num_requests_|kv_cache_usage_perc|admission_rejections_total)")
VARYING = [
    (re.compile(r'"created":\d+'), '"created":0'),
    (re.compile(r'"(cmpl|chatcmpl)-[0-9a-f-]+'), r'"\1-0'),
    (re.compile(r'"chatcmpl-tool-[0-9a-f]+'), '"chatcmpl-tool-0'),
    (re.compile(r'"modelperm-[0-9a-f]+'), '"modelperm-0'),
    (re.compile(r'"root":"[^"]*"'), '"root":"model"'),
    (re.compile(r'"system_fingerprint":"[^"]*"'), '"system_fingerprint":"vllm"'),
]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. `lines` are the body's, each with its end; `broken`: HTTP's own end never came."""

    method: str
    path: str
    asked: Any
    status: int
    content_type: str
    lines: list[str]
    broken: bool = False

    @property
    def body(self) -> bytes:
        return "".join(self.lines).encode()


@dataclass(frozen=True)
class Recording:
    """A case: which vLLM, with which options after the model, and what went back and forth, in order of the answers."""

    vllm: str
    flags: list[str]
    exchanges: list[Exchange]


def write(folder: Path, name: str, recording: Recording) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(recording), indent=1, ensure_ascii=False, sort_keys=True)
    (folder / f"{name}.json").write_text(text + "\n")


def read(name: str, folder: Path = RECORDED) -> Recording:
    document = json.loads((folder / f"{name}.json").read_text())
    exchanges = [Exchange(**each) for each in document.pop("exchanges")]
    return Recording(**document, exchanges=exchanges)


def steady(path: str, body: bytes) -> list[str]:
    """The body's lines without what differs from run to run; of the metrics only those that the node may read."""
    text = body.decode()
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    lines = text.splitlines(keepends=True)
    return [line for line in lines if METRICS.match(line)] if path == "/metrics" else lines
