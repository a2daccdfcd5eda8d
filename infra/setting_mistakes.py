"""What is wrong with a stack file: one line for each mistake, with its value and what would be right. Pure."""

import difflib
import reprlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

# Settings that Pulumi gives, by the key that a stack file has for them; without one, Pulumi gives it by itself.
FOREIGN = {"region": "aws:region", "allowed_account_ids": "aws:allowedAccountIds", "environment": None}

LIMITS = {
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_type": "must be text; put it in quotes",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping",
}


def message(problems: Sequence[str], file: str) -> str:
    """All problems of one file."""
    noun = "mistake" if len(problems) == 1 else "mistakes"
    return "\n".join([f"{len(problems)} {noun} in {file}; nothing was changed:", *(f"  {each}" for each in problems)])


def of_values(errors: Sequence[Any], settings: type[BaseModel]) -> list[str]:
    """One line for each of pydantic's errors, but for those that only follow from another."""
    places = [error["loc"] for error in errors]

    def follows(error: Any) -> bool:
        inside = any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
        return error["type"] == "too_short" and inside  # wrong members do not count as members

    return [line for error in errors if not follows(error) for line in _lines(error, settings)]


def of_keys(config: Mapping[str, str], prefix: str, settings: type[BaseModel]) -> list[str]:
    """Keys that would have no effect: better said than a guard that does not guard."""
    read = [key for key in FOREIGN.values() if key]
    aws = sorted(key for key in config if key.startswith("aws:") and key not in read)
    ours = sorted(name for name in FOREIGN if f"{prefix}{name}" in config)
    return [f"{key} has no effect: of these only {' and '.join(read)} are read; take it out" for key in aws] + [
        unknown(name, settings) for name in ours
    ]


def named_twice(values: Mapping[str, Any]) -> list[str]:
    """Models of the same name."""
    given = values.get("models")
    models = given if isinstance(given, list) else []
    names = [str(model["name"]) for model in models if isinstance(model, dict) and "name" in model]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"models: the name {name!r} stands there twice; each model needs its own" for name in twice]


def unknown(place: str, model: type[BaseModel]) -> str:
    """A key that is no setting of `model`."""
    known = [name for name in model.model_fields if name not in FOREIGN]
    nearest = difflib.get_close_matches(place.rpartition(".")[2], known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "known are " + ", ".join(known)
    return f"{place} is no setting; {hint}"


def _lines(error: Any, settings: type[BaseModel]) -> Iterator[str]:
    place, kind = _place(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        yield unknown(place, _model_at(error["loc"], settings))
    elif kind == "missing":
        yield f"{place} is missing; give it"
    elif kind == "several":  # a rule with several objections to one value
        yield from (f"{place}: {each}" for each in error["ctx"]["problems"])
    else:
        text = error["msg"].removeprefix("Value error, ")
        limit = LIMITS[kind].format(**error.get("ctx", {})) if kind in LIMITS else text
        yield f"{place} is {reprlib.repr(error['input'])}; {limit.replace('Input should be', 'must be')}"


def _place(location: tuple[int | str, ...]) -> str:
    named = [FOREIGN.get(str(part)) or part for part in location]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).lstrip(".")


def _model_at(location: tuple[int | str, ...], settings: type[BaseModel]) -> type[BaseModel]:
    """The mapping in which the last part of a location stands."""
    model = settings
    for part in location[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models_in(model.model_fields[part].annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
