"""Reads a stack's settings as the Pulumi CLI would, so that every mistake is said before anything is made.

The CLI itself stops at the first value of a wrong type, and only after a cloud has been started for it.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from infra.settings import PROJECT, SettingsError, parse
from scripts.exit_codes import USAGE, CommandError
from scripts.root import PROJECT_FILE


def refuse_mistakes(root: Path, stack: str) -> None:
    """Return if the settings of the stack are right.

    Raises:
        CommandError: one of the two files cannot be read, or holds mistakes; all of them are named.
    """
    try:
        parse(config_texts(root, stack), stack)
    except SettingsError as error:
        raise CommandError(str(error), USAGE) from error


def config_texts(root: Path, stack: str) -> dict[str, str]:
    """What the CLI hands to the program: `namespace:key` and text, arrays and objects as JSON.

    Raises:
        CommandError: Pulumi.yaml or Pulumi.<stack>.yaml is missing or is not what YAML or Pulumi allow.
    """
    declared = _config(root / PROJECT_FILE)
    values = {key: given for key, each in declared.items() for given in _default(each)}
    values |= _config(root / f"Pulumi.{stack}.yaml")
    return {key: _text(value) for key, value in values.items()}


def _config(path: Path) -> dict[str, Any]:
    """The section `config` of a file; a key without a namespace belongs to the project."""
    document = _document(path)
    section = document.get("config") if isinstance(document, dict) else document
    if section is not None and not isinstance(section, dict):
        raise CommandError(f"{path.name}: `config` must be a mapping, one `{PROJECT}:NAME: VALUE` a line", USAGE)
    named = ((str(key), value) for key, value in (section or {}).items())
    return {key if ":" in key else f"{PROJECT}:{key}": value for key, value in named}


def _document(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), _Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}; put it back, git has it", USAGE) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path.name}, line {mark.line + 1}, column {mark.column + 1}" if mark else path.name
        raise CommandError(f"{place}: {error.problem or error.context}; nothing was changed", USAGE) from error
    except (yaml.YAMLError, ValueError) as error:
        raise CommandError(f"{path.name} is no YAML: {error}; nothing was changed", USAGE) from error


def _default(declared: Any) -> list[Any]:
    """What Pulumi.yaml gives to a key, if anything: `default` of our own keys, `value` of others, or just a value."""
    if not isinstance(declared, dict):
        return [declared]
    return [declared[word] for word in ("default", "value") if word in declared]


def _text(value: Any) -> str:
    if value is None:
        return ""  # as the CLI reads a key without a value, with a warning
    return value if isinstance(value, str) else json.dumps(value, default=str)


class _Loader(yaml.SafeLoader):
    """YAML as the CLI's reader has it: `yes` is text, dates and 8:30 are too, and no key may stand there twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own design

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for position, (key, _) in enumerate(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value in keys[:position]:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
        return dict(super().construct_mapping(node, deep))


# The core schema of YAML 1.2.2, section 10.3.2, and 0777 for octal numbers: https://yaml.org/spec/1.2.2/
_CORE = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0o?[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+)", "-+.0123456789"),
    "merge": (r"<<", "<"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}
for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})$"), list(_first))
