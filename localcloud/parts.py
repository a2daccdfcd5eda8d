"""What a local cloud is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Modules:
    """Its processes, as names for `python -m`; tests put stand-ins here. `service` has `{role}` in it."""

    aws: str = "localcloud.aws"
    provider: str = "localcloud.provider"
    service: str = "inference_service.{role}"
