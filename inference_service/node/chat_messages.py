"""The messages of a chat completion: text, and with engines that can call tools also calls and their results."""

from collections.abc import Mapping
from typing import Any

from inference_service.node.request_values import RequestError, unsupported

ROLES = ("system", "developer", "user", "assistant")
TOOL = "tool"


def read(value: Any, *, tools: bool) -> tuple[Mapping[str, Any], ...]:
    """The messages as an engine takes them.

    Raises:
        RequestError: naming the message and its member.
    """
    if not isinstance(value, list) or not value:
        raise RequestError("messages must be a list of at least one message", param="messages")
    return tuple(_message(message, f"messages[{place}]", tools) for place, message in enumerate(value))


def _message(message: Any, where: str, tools: bool) -> Mapping[str, Any]:
    roles = (*ROLES, TOOL) if tools else ROLES
    if not isinstance(message, dict) or message.get("role") not in roles:
        raise RequestError(f"{where}.role must be one of {', '.join(roles)}", param=f"{where}.role")
    calls = None if message.get("tool_calls") == [] else message.get("tool_calls")
    if message.get("function_call") is not None or (calls is not None and not tools):
        raise unsupported(f"{where}: tool calls are not supported here", where)
    if calls is not None and message["role"] != "assistant":
        raise RequestError(f"{where}.tool_calls: only an assistant calls tools", param=f"{where}.tool_calls")
    role = "system" if message["role"] == "developer" else message["role"]
    if calls is not None:
        content = message.get("content")
        text = None if content is None else _content(content, f"{where}.content")
        return {"role": role, "content": text, "tool_calls": _calls(calls, f"{where}.tool_calls")}
    read = {"role": role, "content": _content(message.get("content"), f"{where}.content")}
    return {**read, **_result_of(message, where)} if role == TOOL else read


def _result_of(message: Mapping[str, Any], where: str) -> Mapping[str, str]:
    call = message.get("tool_call_id")
    if not isinstance(call, str):
        raise RequestError(f"{where}.tool_call_id must be a string", param=f"{where}.tool_call_id")
    return {"tool_call_id": call}


def _calls(calls: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(calls, list):
        raise RequestError(f"{where} must be a list", param=where)
    return [_call(call, f"{where}[{place}]") for place, call in enumerate(calls)]


def _call(call: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(call, dict) or call.get("type", "function") != "function":
        raise RequestError(f"{where} must be the call of a function", param=where)
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(call.get("id"), str) or not isinstance(name, str):
        raise RequestError(f"{where} must have an id and a function with a name", param=where)
    if not isinstance(arguments, str):
        raise RequestError(f"{where}.function.arguments must be a string of JSON", param=where)
    return {"id": call["id"], "type": "function", "function": {"name": name, "arguments": arguments}}


def _content(content: Any, where: str) -> str:
    """Text, also when it comes as a list of text parts; images and sound are refused."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise RequestError(f"{where} must be a string or a list of text parts", param=where)
    for part in parts:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise unsupported(f"{where}: parts of type {part.get('type')!r} are not supported here, text is", where)
    return "".join(part["text"] for part in parts)
