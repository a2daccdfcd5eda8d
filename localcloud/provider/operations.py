"""What Pulumi asks of a resource, the same for every type: check, diff, preview, create, read, update, delete."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.provider import schema, upstream
from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.naming import automatic
from localcloud.provider.not_found import is_not_found
from localcloud.provider.resource import Aws, Handler
from localcloud.provider.schema import Problem
from localcloud.provider.values import UNKNOWN, Properties, has_unknown

NAMED_BY_US = "__defaults"  # as Pulumi's own providers note which inputs the program did not give; never shown


@dataclass(frozen=True)
class Difference:
    """What has changed between two sets of inputs."""

    changed: tuple[str, ...]
    replacing: tuple[str, ...]
    delete_first: bool


@dataclass(frozen=True)
class Made:
    """A resource after its creation or update. `failure` says what could not be finished; Pulumi tries again."""

    id: str
    state: Properties
    failure: str = ""


@dataclass(frozen=True)
class Found:
    """A resource as it is in AWS."""

    inputs: Properties
    state: Properties


def check(
    handler: Handler, name: str, given: Properties, before: Properties, *, seed: bytes, tags: Mapping[str, str]
) -> tuple[Properties, list[Problem]]:
    """The inputs to go on with, and what is wrong with them.

    Args:
        name: the resource's name in the program.
        before: its inputs of last time, empty for a new resource: a name once made is kept.
        seed: for the unique part of a name.
        tags: the provider's default tags; the resource's own win.
    """
    inputs = {key: value for key, value in given.items() if key != NAMED_BY_US}
    found = schema.problems(handler.token, inputs)
    if tags and "tags" in handler.inputs and "tagsAll" in handler.outputs:
        own = inputs.get("tags", {})
        inputs["tags"] = {**tags, **own} if isinstance(own, dict) else own
    rule = handler.auto_name
    if rule and rule.property not in inputs:
        try:
            kept = before.get(rule.property) if rule.property in before.get(NAMED_BY_US, ()) else None
            inputs[rule.property] = kept or automatic(rule, name, seed)
            inputs[NAMED_BY_US] = [rule.property]
        except ValueError as error:
            found.append(Problem(rule.property, str(error)))
    return inputs, [*found, *upstream.problems(handler.token, inputs)]


def difference(handler: Handler, before: Properties, after: Properties, ignored: Collection[str]) -> Difference:
    """Compare two sets of checked inputs; an unknown value counts as a change."""
    keys = sorted({*before, *after} - {NAMED_BY_US} - handler.write_only - set(ignored))
    changed = [
        key for key in keys if has_unknown(after.get(key)) or not handler.same(key, before.get(key), after.get(key))
    ]
    replacing = tuple(key for key in changed if key in handler.replaced_by)
    return Difference(tuple(changed), replacing, bool(replacing) and _holds_its_place(handler, before, after))


def _holds_its_place(handler: Handler, before: Properties, after: Properties) -> bool:
    """Whether the new resource cannot be made beside the old one: AWS takes a name only once."""
    if handler.replace_in_place:
        return True
    name = handler.auto_name.property if handler.auto_name else ""
    given = name in after and name not in after.get(NAMED_BY_US, ())
    return given and before.get(name) == after[name]


def preview(handler: Handler, inputs: Properties, state: Properties | None = None) -> Properties:
    """The outputs that a creation, or with the present `state` an update, will have, as far as they can be known."""
    if state is None:
        return dict.fromkeys(handler.outputs, UNKNOWN) | _shown(handler, inputs)
    tags = {"tagsAll": inputs.get("tags", {})} if "tagsAll" in handler.outputs else {}
    return state | tags | _shown(handler, inputs) | dict.fromkeys(handler.changing, UNKNOWN)


def create(handler: Handler, aws: Aws, inputs: Properties) -> Made:
    """Make a resource.

    Raises:
        ClientError, ProviderError: there is no new resource. If it exists but is not finished, `failure` says why.
    """
    id_ = handler.create(aws, inputs)
    try:
        handler.complete(aws, id_, inputs)
        return Made(id_, _state(handler, _shown(handler, inputs), handler.read(aws, id_, _shown(handler, inputs))))
    except Exception as error:  # whatever it is, Pulumi has to learn the id of what exists now
        return Made(id_, _shown(handler, inputs), _reason(error))


def update(handler: Handler, aws: Aws, id_: str, inputs: Properties, state: Properties) -> Made:
    """Change a resource in place; as with `create`, `failure` says what could not be finished."""
    known = {key: value for key, value in state.items() if key not in handler.top_level_inputs()} | _shown(
        handler, inputs
    )
    try:
        handler.update(aws, id_, inputs, state)
        return Made(id_, _state(handler, known, handler.read(aws, id_, known)))
    except Exception as error:  # part of it may be done
        return Made(id_, state, _reason(error))


def read(handler: Handler, aws: Aws, id_: str, inputs: Properties, state: Properties) -> Found | None:
    """The resource as it is now; None when AWS says that it is gone. Every other failure is raised.

    Inputs follow what was changed, added or taken away behind Pulumi's back, so that the next `up` undoes it. An
    input that the program leaves to AWS (in the state, not in the inputs) does not count. When importing (no inputs
    yet) all of them are taken from AWS.
    """
    try:
        present = _state(handler, state, handler.read(aws, id_, state))
    except GoneError:
        return None
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    if not inputs and not state:
        return Found({key: value for key, value in present.items() if key in handler.top_level_inputs()}, present)
    own = {key for key in handler.top_level_inputs() & handler.outputs if key in inputs or key not in state}
    drifted = {key: present.get(key) for key in own if present.get(key) != state.get(key)}
    return Found({key: value for key, value in (inputs | drifted).items() if value is not None}, present)


def delete(handler: Handler, aws: Aws, id_: str, state: Properties) -> None:
    """End a resource; one that is gone already is no failure."""
    try:
        handler.delete(aws, id_, state)
    except GoneError:
        return
    except ClientError as error:
        if not is_not_found(error):
            raise


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError | BotoCoreError | ProviderError | OSError):
        return str(error)
    structlog.get_logger().error("a defect of the provider", exc_info=error)
    return f"a defect of the local aws provider: {error!r}; see provider.log"


def _shown(handler: Handler, inputs: Properties) -> Properties:
    hidden = handler.write_only | {NAMED_BY_US}
    return {key: value for key, value in inputs.items() if key not in hidden}


def _state(handler: Handler, known: Properties, present: Properties) -> Properties:
    """What AWS says, in the words already known where they mean the same: no order of a set comes and goes.

    What AWS does not keep (`forceDestroy`) stays as it is known; what it would have said and did not is gone.
    """
    ours = {key: value for key, value in known.items() if key not in handler.outputs}
    return {**ours, **{key: _kept(handler, key, known.get(key), value) for key, value in present.items()}}


def _kept(handler: Handler, key: str, known: Any, present: Any) -> Any:
    return known if known is not None and handler.same(key, known, present) else present
