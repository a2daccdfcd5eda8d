"""What an `aws` provider resource is configured with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.provider.errors import ProviderError
from localcloud.provider.schema import provider_problems
from localcloud.provider.values import Properties

DEFAULT_REGION = "us-east-1"
_ENGINE_KEYS = ("version", "pluginDownloadURL", "__internal")  # the engine's own, not the provider's


@dataclass(frozen=True)
class Configuration:
    """Region and tags for everything that one provider makes."""

    region: str
    default_tags: Mapping[str, str]


def configured(inputs: Properties) -> Configuration:
    """The configuration that a provider's inputs stand for.

    Raises:
        ProviderError: an input is unknown, of a wrong type, or would lead to another AWS; the text names all of them.
    """
    given = opened(inputs)
    if found := provider_problems(given):
        raise ProviderError("the aws provider of the local cloud: " + "; ".join(map(str, found)))
    tags = given.get("defaultTags", {}).get("tags", {})
    return Configuration(given.get("region", DEFAULT_REGION), dict(tags))


def opened(inputs: Properties) -> Properties:
    """Provider inputs with their types: the SDK sends all but text as JSON text."""
    return {key: _opened(value) for key, value in inputs.items() if key not in _ENGINE_KEYS}


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
