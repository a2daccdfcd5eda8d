"""How `up` ends: the table of one warm-up, and lines to paste; the same facts as JSON."""

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from inference_service import contract
from scripts.fleet_state import Node
from scripts.gateway_client import Answer
from scripts.progress import Finished
from scripts.serving import QUESTION, Active
from scripts.terminal import table


@dataclass(frozen=True)
class Summary:
    """Everything that a successful `up` knows."""

    url: str
    key: str
    model: str
    active: Active
    node: Node
    answer: Answer
    steps: tuple[Finished, ...]
    changed: bool


def curl_line(url: str, key: str, model: str) -> str:
    """A command that streams an answer, ready to paste into a shell."""
    body = f'{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "{QUESTION}"}}]}}'
    address = shlex.quote(url + contract.PATH_CHAT_COMPLETIONS)
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return f"curl -sSN {address} {headers} -d {shlex.quote(body)}"


def sdk_snippet(url: str, key: str, model: str) -> str:
    """The same with OpenAI's SDK, ready to paste into a shell."""
    return f"""\
.venv/bin/python - <<'END'
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="{key}")
question = [{{"role": "user", "content": "{QUESTION}"}}]
for chunk in client.chat.completions.create(model="{model}", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
END"""


def as_table(summary: Summary) -> Group:
    """The warm-up phases, the version with its hashes, the address."""
    phases = [[phase, _seconds(summary.node.warm_up_seconds.get(phase))] for phase in contract.WARM_UP_PHASES]
    known = [seconds for seconds in summary.node.warm_up_seconds.values() if seconds is not None]
    phases.append(["all", f"{sum(known):.2f}"])
    warm_up = table(f"warm-up of {summary.node.instance_id}", "seconds", rows=phases)
    warm_up.columns[1].justify = "right"
    return Group(warm_up, Text(), _facts(summary))


def _facts(summary: Summary) -> Table:
    rows = [
        ["model", summary.model],
        ["version", summary.active.manifest.version],
        ["SHA-256", f"{summary.active.manifest_sha256}  manifest"],
        *(["", f"{file.sha256}  {file.path}"] for file in summary.active.manifest.files),
        ["node", f"{summary.node.instance_type} {summary.node.market} in {summary.node.zone}"],
        ["gateway", summary.url],
        ["answer", f"{summary.answer.tokens} tokens, first one after {summary.answer.first_token_seconds:.2f} s"],
    ]
    facts = Table.grid(padding=(0, 2))
    for name, value in rows:
        facts.add_row(Text(name, style="bold"), Text(value, overflow="fold"))
    return facts


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def as_json(summary: Summary) -> dict[str, Any]:
    """The same facts for programs. All times are in seconds."""
    manifest, node = summary.active.manifest, summary.node
    return {
        "gateway_url": summary.url,
        "api_key": summary.key,
        "model": summary.model,
        "version": manifest.version,
        "manifest_sha256": summary.active.manifest_sha256,
        "files": [asdict(file) for file in manifest.files],
        "node": {
            "instance_id": node.instance_id,
            "instance_type": node.instance_type,
            "market": node.market,
            "zone": node.zone,
        },
        "warm_up_seconds": {phase: node.warm_up_seconds.get(phase) for phase in contract.WARM_UP_PHASES},
        "answer": asdict(summary.answer),
        "changed": summary.changed,
        "steps": [{"name": step.title, "seconds": step.seconds, "result": step.result} for step in summary.steps],
        "curl": curl_line(summary.url, summary.key, summary.model),
        "python": sdk_snippet(summary.url, summary.key, summary.model),
    }
