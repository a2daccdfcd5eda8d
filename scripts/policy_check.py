"""Reads resources from a file and asks every rule about them, without Pulumi and without AWS."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.policies.resource import UNKNOWN, Resource, plain
from infra.policies.rule import Finding, findings
from infra.policies.rules import every_rule
from scripts.exit_codes import USAGE, CommandError

LARGEST_BYTES = 64 * 2**20
SHOWN_PROBLEMS = 20
SDK_TYPES = "aws_refuses/sdk-types"
IN_PREVIEW = "provider_refuses/in-preview"
SDK_SOURCE = "https://www.pulumi.com/registry/packages/aws/api-docs/"
# The provider takes these over: 80 for "80", true for "true", and the other way round.
CONVERTED = re.compile(r"expected a (whole )?number, not '-?\d+(\.\d+)?'|expected a boolean, not '(true|false)'")
CONVERTED_TO_TEXT = re.compile(r"expected a string, not (-?\d+(\.\d+)?|True|False)")
PLANNED = ("create", "update", "replace", "create-replacement", "same", "import", "refresh", "read")


Read = Callable[[int, Any, list[str]], Iterator[Resource]]


@dataclass(frozen=True)
class Checked:
    """What was read, and what the rules say of it."""

    resources: int
    findings: tuple[Finding, ...]

    @property
    def mandatory(self) -> int:
        return sum(each.mandatory for each in self.findings)


def check_file(path: Path) -> Checked:
    """What is wrong with the resources in a file: a list of them, or what `pulumi preview --json` printed.

    Raises:
        CommandError: the file cannot be read, or is neither; exit code 64, with the place.
    """
    resources = read_resources(path, document(path))
    about_types = [finding for each in resources for finding in types_of(each)]
    of_rules = findings(every_rule(), resources)
    of_provider = [finding for each in resources for finding in refused_in_preview(each, of_rules)]
    return Checked(len(resources), (*about_types, *of_rules, *of_provider))


def document(path: Path) -> Any:
    """The JSON in a file. Raises CommandError with line and column."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise CommandError(f"{path} has {size} bytes; must be at most {LARGEST_BYTES}: check it in parts", USAGE)
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no text in UTF-8: byte {error.start}", USAGE) from error
    except json.JSONDecodeError as error:
        raise CommandError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}", USAGE) from error
    except RecursionError as error:
        raise CommandError(f"{path} is nested too deeply to be a list of resources", USAGE) from error


def read_resources(path: Path, found: Any) -> list[Resource]:
    """The resources of either kind of file. Raises CommandError naming what is wrong, all at once."""
    read: Read
    if isinstance(found, dict) and isinstance(found.get("steps"), list):
        listed, read = found["steps"], _of_step
    elif isinstance(found, list):
        listed, read = found, _of_list
    else:
        raise CommandError(
            f'{path} is neither a list of {{"type", "name", "props"}} nor the output of `pulumi preview --json`', USAGE
        )
    problems: list[str] = []
    resources = [made for number, each in enumerate(listed) for made in read(number, each, problems)]
    if problems:
        more = f"\n  … and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n".join(f"  {each}" for each in problems[:SHOWN_PROBLEMS])
        raise CommandError(f"{path} cannot be checked:\n{shown}{more}", USAGE)
    return resources


def _of_list(number: int, each: Any, problems: list[str]) -> Iterator[Resource]:
    where = f"resource {number}"
    if not isinstance(each, Mapping):
        problems.append(f"{where} is {type(each).__name__}; must be an object with type, name and props")
        return
    wrong = [
        f"{key} is {each.get(key)!r}; must be {what}"
        for key, kind, what in (("type", str, "text"), ("name", str, "text"), ("props", Mapping, "an object"))
        if not isinstance(each.get(key), kind)
    ]
    behind = each.get("propertyDependencies", {})
    if not isinstance(behind, Mapping) or not all(isinstance(names, list) for names in behind.values()):
        wrong.append("propertyDependencies must be an object of lists of names")
    if not wrong and (unknown := unknown_type(each["type"])):
        wrong.append(unknown)
    if wrong:
        problems.extend(f"{where}: {text}" for text in wrong)
        return
    names = {key: [_name(name) for name in found] for key, found in behind.items()}
    yield Resource(each["type"], each["name"], {**dict.fromkeys(names, UNKNOWN), **plain(each["props"])}, names)


def _of_step(number: int, step: Any, problems: list[str]) -> Iterator[Resource]:
    if not isinstance(step, Mapping) or not isinstance(step.get("op"), str):
        problems.append(f"step {number} has no op: is it the output of `pulumi preview --json`?")
        return
    state = step.get("newState")
    if step["op"] not in PLANNED or not isinstance(state, Mapping) or not state.get("custom", False):
        return
    if not isinstance(state.get("urn"), str) or not isinstance(state.get("type"), str):
        problems.append(f"step {number} has no urn or type")
        return
    behind = state.get("propertyDependencies") or {}
    names = {key: [_name(urn) for urn in urns or ()] for key, urns in behind.items()}
    yield Resource(state["type"], _name(state["urn"]), plain(state.get("inputs") or {}), names)


def _name(urn: Any) -> str:
    return str(urn).rpartition("::")[2]


def unknown_type(token: str) -> str | None:
    """What is wrong with a type's token; None if the SDK has it, or if it is not AWS's."""
    from localcloud.provider.sdk_shapes import arguments

    if not token.startswith("aws:"):
        return None
    try:
        arguments(token)
    except (ImportError, AttributeError, ValueError):
        return f"type is {token!r}, which pulumi_aws does not have; see {SDK_SOURCE}"
    return None


def types_of(resource: Resource) -> list[Finding]:
    """Properties that the SDK does not have, that have another type there, or that are missing."""
    from localcloud.provider.schema import sdk_problems

    if not resource.type.startswith("aws:"):
        return []
    return [
        Finding(SDK_TYPES, resource.name, resource.type, str(problem), SDK_SOURCE)
        for problem in sdk_problems(resource.type, _without_unknown(resource.props))
        if not CONVERTED.fullmatch(problem.reason) and not CONVERTED_TO_TEXT.fullmatch(problem.reason)
    ]


def refused_in_preview(resource: Resource, said: Sequence[Finding]) -> list[Finding]:
    """What the official provider refuses by itself, beyond what the rules have `said` of the same value."""
    from localcloud.provider import upstream

    about = [each.message for each in said if (each.resource, each.type) == (resource.name, resource.type)]
    inputs = _without_unknown(resource.props)
    return [
        Finding(IN_PREVIEW, resource.name, resource.type, str(problem), upstream.source(resource.type))
        for problem in upstream.problems(resource.type, inputs)
        if not any(_is_about(message, problem.path) for message in about)
    ]


def _is_about(message: str, path: str) -> bool:
    """Whether a rule has said it of this property, or of several of which too many or none are given."""
    return message.startswith(f"{path} ") or (" given" in message and path in message)


def _without_unknown(value: Any) -> Any:
    """For the SDK's types: what is not known fits; whole numbers are no fractions."""
    from localcloud.provider.values import UNKNOWN as SENTINEL

    if value is UNKNOWN:
        return SENTINEL
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _without_unknown(each) for key, each in value.items()}
    return (
        [_without_unknown(each) for each in value]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else value
    )
