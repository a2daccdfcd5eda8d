"""The front end for `pulumi.runtime.set_mocks`: a program's resources are really made, through the same handlers."""

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from localcloud.provider import operations
from localcloud.provider.configuration import DEFAULT_REGION, Configuration, configured, guard_account
from localcloud.provider.errors import ProviderError
from localcloud.provider.invokes import invoke
from localcloud.provider.registry import handler_for
from localcloud.provider.resource import Aws, account_of
from localcloud.provider.schema import PROVIDER
from localcloud.provider.values import Asset, Properties, normal
from localcloud.provider.waiting import Waiting


class MotoMocks(Mocks):
    """Makes what the program asks for in a local AWS, and refuses what the stand-in provider would refuse.

    Mocks only create: nothing is compared, updated, replaced or deleted, and the SDK passes no `ignore_changes`.

    Args:
        client_for: gives the boto3 client of a service, for the region `region`.
        region: of providers that name none.
    """

    def __init__(self, client_for: Callable[[str], Any], region: str = DEFAULT_REGION) -> None:
        self._client_for = client_for
        self._default = Configuration(region, {})
        self._providers: dict[str, Configuration] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, Properties]:
        """Make one resource.

        Raises:
            ProviderError: type or property unknown, or wrong inputs; the text names all of them.
            ClientError: AWS refuses.
        """
        inputs = normal(_own_assets(args.inputs))
        if args.typ == PROVIDER:
            given = configured({"region": self._default.region, **inputs})
            guard_account(given, lambda: account_of(self._client_for("sts")))
            self._providers[args.name] = given
            return f"{args.name}-id", dict(args.inputs)
        if not args.typ.startswith("aws:"):
            return "", dict(args.inputs)  # a component, or a resource of Pulumi itself
        return self._create(args, inputs)

    def call(self, args: MockCallArgs) -> tuple[Properties, list[tuple[str, str]]]:
        """Answer a function's call; raises UnknownTypeError for one that is not here."""
        return invoke(self._aws(args.provider), args.token, normal(_own_assets(args.args))), []

    def _create(self, args: MockResourceArgs, inputs: Properties) -> tuple[str, Properties]:
        handler = handler_for(args.typ)
        tags = self._configuration(args.provider).default_tags
        checked, problems = operations.check(handler, args.name, inputs, {}, seed=b"", tags=tags)
        if problems:
            raise ProviderError(f"{args.typ} {args.name!r}: " + "; ".join(map(str, problems)))
        made = operations.create(handler, self._aws(args.provider), checked)
        if made.failure:
            raise ProviderError(f"{args.typ} {args.name!r}: {made.failure}")
        given = {key: value for key, value in args.inputs.items() if isinstance(value, pulumi.Asset)}
        return made.id, {**made.state, **given}

    def _configuration(self, provider: str | None) -> Configuration:
        # A provider reference is its URN, whose last part is its name, and its id.
        parts = (provider or "").split("::")
        return self._providers.get(parts[-2], self._default) if len(parts) > 1 else self._default

    def _aws(self, provider: str | None) -> Aws:
        return Aws(self._client_for, self._configuration(provider).region, Waiting())


def _own_assets(value: Any) -> Any:
    """Assets of the SDK as those of the handlers."""
    if isinstance(value, pulumi.FileAsset):
        return Asset(path=str(value.path))
    if isinstance(value, pulumi.StringAsset):
        return Asset(text=value.text)
    if isinstance(value, dict):
        return {key: _own_assets(member) for key, member in value.items()}
    return [_own_assets(member) for member in value] if isinstance(value, list) else value
