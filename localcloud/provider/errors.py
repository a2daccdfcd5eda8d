"""What can go wrong in the stand-in provider, as one tree."""

from localcloud.errors import LocalCloudError


class ProviderError(LocalCloudError):
    """The stand-in cannot do what the engine asked; the text names the resource and the remedy."""


class UnknownTypeError(ProviderError):
    """A resource type or an invoke for which nothing is written here."""


class RefusedError(ProviderError):
    """Whoever asks is not a Pulumi CLI with this local cloud's backend, or the endpoint is not this machine."""


class GoneError(ProviderError):
    """The resource is not there any more."""


class CancelledError(ProviderError):
    """The user interrupted the operation while it waited."""
