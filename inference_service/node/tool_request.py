"""The tools that a request offers, and what it says of their use."""

import re
from collections.abc import Mapping
from typing import Any

from inference_service.node.request_values import RequestError, flag, unsupported

MOST_TOOLS = 128
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FUNCTION = {"name": str, "description": str, "parameters": dict, "strict": bool}


def read(given: Mapping[str, Any], *, supported: bool) -> Mapping[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls`, as they came; nothing where no tool may be called.

    Raises:
        RequestError: this engine calls none, or a member is not what OpenAI's API has.
    """
    tools, choice = given.get("tools", []), given.get("tool_choice")
    for name in ("tools", "tool_choice") if not supported else ():
        if given.get(name) not in (None, [], "none"):
            raise unsupported(f"{name} is not supported by this model's engine; leave it out", name)
    if not isinstance(tools, list) or len(tools) > MOST_TOOLS:
        raise RequestError(f"tools must be a list of at most {MOST_TOOLS} tools", param="tools")
    names = [_name(tool, f"tools[{place}]") for place, tool in enumerate(tools)]
    _check_choice(choice, names)
    parallel = flag({"parallel_tool_calls": True} | dict(given), "parallel_tool_calls")
    if not tools or choice == "none":
        return {}
    return {"tools": tools, "tool_choice": choice or "auto", "parallel_tool_calls": parallel}


def _name(tool: Any, where: str) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type") != "function":
        raise RequestError(f"{where} must be a function", param=where)
    name = function.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        text = f"{where}.function.name must have 1 to 64 letters, digits, underscores and dashes"
        raise RequestError(text, param=where)
    for member, value in function.items():
        if member not in FUNCTION or not (value is None or isinstance(value, FUNCTION[member])):
            raise RequestError(f"{where}.function.{member} is not what a function has", param=where)
    return name


def _check_choice(choice: Any, names: list[str]) -> None:
    if choice in (None, "none"):
        return
    if not names:
        raise RequestError("tool_choice is only allowed with tools", param="tool_choice")
    if isinstance(choice, dict):
        function = choice.get("function")
        if choice.get("type") != "function" or not isinstance(function, dict) or function.get("name") not in names:
            raise RequestError("tool_choice names none of the tools", param="tool_choice")
    elif choice not in ("auto", "required"):
        raise RequestError("tool_choice must be none, auto, required, or name a function", param="tool_choice")
