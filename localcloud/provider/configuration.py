"""What an `aws` provider resource is configured with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.provider.errors import ProviderError
from localcloud.provider.schema import provider_problems
from localcloud.provider.values import Properties

DEFAULT_REGION = "us-east-1"
_ENGINE_KEYS = ("version", "pluginDownloadURL", "__internal")  # the engine's own, not the provider's


@dataclass(frozen=True)
class Configuration:
    """Region and tags for everything that one provider makes, and the accounts that it may work in (none: any)."""

    region: str
    default_tags: Mapping[str, str]
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()


def configured(inputs: Properties) -> Configuration:
    """The configuration that a provider's inputs stand for.

    Raises:
        ProviderError: an input is unknown, of a wrong type, or would lead to another AWS; the text names all of them.
    """
    given = opened(inputs)
    if found := provider_problems(given):
        raise ProviderError("the aws provider of the local cloud: " + "; ".join(map(str, found)))
    tags = given.get("defaultTags", {}).get("tags", {})
    allowed, forbidden = (tuple(given.get(key, ())) for key in ("allowedAccountIds", "forbiddenAccountIds"))
    return Configuration(given.get("region", DEFAULT_REGION), dict(tags), allowed, forbidden)


def guard_account(configuration: Configuration, account: Callable[[], str]) -> None:
    """Refuse to go on in an account that the program is not meant for.

    The official provider asks sts:GetCallerIdentity for the account when it is configured, and fails then:
    https://www.pulumi.com/registry/packages/aws/installation-configuration/ (allowedAccountIds, forbiddenAccountIds).

    Args:
        account: asks AWS; not called when the configuration names no account.

    Raises:
        ProviderError: the account is forbidden, or not one of those allowed.
    """
    allowed, forbidden = configuration.allowed_accounts, configuration.forbidden_accounts
    if not allowed and not forbidden:
        return
    present = account()
    if present in forbidden:
        raise ProviderError(
            f"the AWS account is {present}, which aws:forbiddenAccountIds ({', '.join(forbidden)}) in the stack file "
            "rules out; use the credentials of another account"
        )
    if allowed and present not in allowed:
        raise ProviderError(
            f"the AWS account is {present}, but aws:allowedAccountIds in the stack file allows only "
            f"{', '.join(allowed)}; use credentials of an allowed account, or add this one there"
        )


def opened(inputs: Properties) -> Properties:
    """Provider inputs with their types: the SDK sends all but text as JSON text."""
    return {key: _opened(value) for key, value in inputs.items() if key not in _ENGINE_KEYS}


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
