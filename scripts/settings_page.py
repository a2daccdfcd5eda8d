"""Writes docs/settings.md from Pulumi.yaml, the settings' limits and the contract.

Run it as `python -m scripts.settings_page`. A test fails while the page is not what this writes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from inference_service import contract
from infra.settings import PROJECT, Model, Polls, StackSettings, Vllm

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"

HEAD = """# Settings and outputs

Written by `python -m scripts.settings_page` from [Pulumi.yaml](../Pulumi.yaml) and
[infra/settings.py](../infra/settings.py); edit those.

A stack's settings stand in `Pulumi.<stack>.yaml`, values only. [Pulumi.local.yaml](../Pulumi.local.yaml) is an example;
`pulumi config set` writes them too. All mistakes of a file are named at once, before anything is changed. Of Pulumi's
own provider settings `aws:region` and `aws:allowedAccountIds` are read, and both must be given: nothing is done in
another account. Profile and credentials come from the environment, as for every AWS tool.
"""

OUTPUTS = {
    contract.OUTPUT_REGION: "AWS region of the stack.",
    contract.OUTPUT_ENVIRONMENT: f"The stack's name, which resources carry in the tag `{contract.TAG_ENVIRONMENT}`.",
    contract.OUTPUT_BUCKET: "Bucket of model versions, pointers and service bundles.",
    contract.OUTPUT_GATEWAY_URL: "Base URL of the API, without a slash at its end. Reachable inside the VPC and from "
    "what is connected to it, in `allowed_cidrs`.",
    contract.OUTPUT_GATEWAY_GROUP: "Auto Scaling group of the gateways.",
    contract.OUTPUT_FLEETS: "Per model, its fleet; see below.",
    contract.OUTPUT_PROMOTER_ROLE: "The one role that may write pointers; `warmfleet models activate` takes it on.",
    contract.OUTPUT_API_KEYS_PARAMETER: "SSM SecureString for the hashes of API keys; its value never passes Pulumi.",
    contract.OUTPUT_INTERRUPTIONS_QUEUE: "Queue of spot notices and other announcements about instances.",
    contract.OUTPUT_ALARM_TOPIC: "SNS topic of alarms and budget.",
    contract.OUTPUT_DASHBOARD: "Name of the CloudWatch dashboard.",
    contract.OUTPUT_HOURLY_USD: "What the stack costs an hour: `idle` without a node, `most` with every group full at "
    "on-demand prices; `unpriced` types count as nothing.",
    contract.OUTPUT_SERVICE_VERSION: "SHA-256 of the manifest of the service bundle that new instances install.",
}
FLEET = {
    contract.FLEET_SPOT_GROUP: "Auto Scaling group of the spot nodes.",
    contract.FLEET_ON_DEMAND_GROUP: "Auto Scaling group of the on-demand nodes.",
    contract.FLEET_INITIAL_NODES: "Spot nodes that the first `models activate` asks for.",
    contract.FLEET_ON_DEMAND_BASE: "On-demand nodes that it asks for as well.",
    contract.FLEET_JOBS_QUEUE: "Queue of the model's jobs.",
    contract.FLEET_DEAD_LETTERS_QUEUE: "Queue of jobs that were tried as often as they may be.",
    contract.FLEET_LAUNCH_HOOK: "Lifecycle hook that a node completes when its model has answered a probe.",
    contract.FLEET_TERMINATE_HOOK: "Lifecycle hook that a node completes when its answers are finished.",
}


def page() -> str:
    """The whole page as Markdown."""
    described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    stack = {name: each["description"] for name, each in described.items()}
    parts = [
        HEAD,
        f"## Settings of a stack\n\nEach with the prefix `{PROJECT}:`.\n",
        _settings(StackSettings, stack),
        "## Settings of a model\n\nMembers of each element of `models`.\n",
        _settings(Model, _descriptions(Model)),
        "## Settings of vLLM\n\nMembers of a model's `vllm`; what is not given is left to vLLM.\n",
        _settings(Vllm, _descriptions(Vllm)),
        "## Seconds between two looks\n\nMembers of `poll_seconds`.\n",
        _settings(Polls, _descriptions(Polls)),
        "## Outputs\n\n`pulumi stack output --json` shows them; `warmfleet` reads them.\n",
        _table(("output", "meaning"), [(f"`{name}`", text) for name, text in OUTPUTS.items()]),
        f"Members of each model in `{contract.OUTPUT_FLEETS}`:\n",
        _table(("member", "meaning"), [(f"`{name}`", text) for name, text in FLEET.items()]),
    ]
    return "\n".join(parts)


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    return {name: field.description or "" for name, field in model.model_fields.items()}


def _settings(model: type[BaseModel], descriptions: dict[str, str]) -> str:
    schema = model.model_json_schema(mode="validation")["properties"]
    rows = []
    for name, text in descriptions.items():
        each, required = schema[name], model.model_fields[name].is_required()
        rows.append((f"`{name}`", _type(each), _default(each, required), _limit(each), text))
    return _table(("setting", "type", "default", "limits", "meaning"), rows)


TYPES = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:  # a type or nothing
        schema = schema["anyOf"][0]
    if schema.get("type") == "array":
        items = _type(schema["items"])
        return "list of mappings" if items == "mapping" else f"list of {items}"
    return TYPES.get(schema.get("type", ""), "mapping")


def _default(schema: dict[str, Any], required: bool) -> str:
    if required:
        return "must be given"
    default = schema.get("default")
    if default in (None, []) or isinstance(default, dict):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`".replace("'", "")


def _limit(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    if "maxItems" in schema:
        return f"{schema.get('minItems', 0)} to {schema['maxItems']} of them"
    return ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
