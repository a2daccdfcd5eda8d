"""Writes ansible/roles/<role>/README.md from each role's argument specs.

Run it as `python -m scripts.role_pages`. A test fails while a page is not what this writes.
"""

from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "ansible" / "roles"
HEAD = """# Role `{role}`

Written by `python -m scripts.role_pages` from [meta/argument_specs.yml](meta/argument_specs.yml); edit that.

{short}.
"""
TAIL = """
`--tags {tags}` applies it alone. How it is proven: [docs/nodes.md](../../../docs/nodes.md#how-each-part-is-proven).
"""
GIVEN = ("service_role", "service_version")  # to the whole play
TYPES = {"str": "text", "int": "whole number", "bool": "`true` or `false`", "path": "path"}


def roles() -> list[str]:
    return sorted(path.name for path in ROLES.iterdir())


def page(role: str) -> str:
    """The page of one role as Markdown."""
    main = _spec(role)
    parts = [HEAD.format(role=role, short=main["short_description"])]
    parts += [f"\n{text}\n" for text in main.get("description", [])]
    return "".join(parts) + _variables(main.get("options", {})) + TAIL.format(tags=_tags(role))


def _tags(role: str) -> str:
    """Its own, and that of the role `service` if it uses that role's folders, user or state."""
    theirs = [name for name in _spec("service")["options"] if name not in GIVEN]
    theirs += yaml.safe_load((ROLES / "service" / "vars" / "main.yml").read_text(encoding="utf-8"))
    files = [path for part in ("tasks", "templates", "handlers") for path in (ROLES / role / part).rglob("*")]
    used = any(name in path.read_text(encoding="utf-8") for path in files if path.is_file() for name in theirs)
    return f"service,{role}" if used and role != "service" else role


def _spec(role: str) -> dict[str, Any]:
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    main: dict[str, Any] = spec["argument_specs"]["main"]
    return main


def _variables(options: dict[str, dict[str, Any]]) -> str:
    if not options:
        return "\nIt has no variables.\n"
    rows = [(f"`{name}`", _type(each), _default(each), each["description"]) for name, each in options.items()]
    lines = [("variable", "type", "default", "meaning"), ("---",) * 4, *rows]
    return "\n" + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _type(option: dict[str, Any]) -> str:
    if choices := option.get("choices"):
        return " or ".join(f"`{each}`" for each in choices)
    if option["type"] == "list":
        return f"list of {TYPES[option['elements']]}s"
    return TYPES[option["type"]]


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "must be given"
    default = option["default"]
    if isinstance(default, list):
        return ", ".join(f"`{each}`" for each in default) or "none"
    return "none" if default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def main() -> None:
    """Write every page."""
    for role in roles():
        (ROLES / role / "README.md").write_text(page(role), encoding="utf-8")


if __name__ == "__main__":
    main()
