"""Names for resources that the program leaves unnamed, as Pulumi's aws provider makes them."""

import hashlib
import secrets

from localcloud.provider.resource import AutoName

RANDOM_DIGITS = 7


def automatic(rule: AutoName, resource_name: str, seed: bytes) -> str:
    """A unique name; the same `seed`, which the engine keeps from preview to update, gives the same one.

    Raises:
        ValueError: the name would be longer than AWS takes.
    """
    digits = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(RANDOM_DIGITS)
    start = resource_name.lower() if rule.lower_case else resource_name
    name = f"{start}-{digits[:RANDOM_DIGITS]}"
    if len(name) > rule.longest:
        most = rule.longest - RANDOM_DIGITS - 1
        raise ValueError(
            f"{start!r} is {len(start)} characters long, but AWS takes {rule.longest} here and Pulumi adds "
            f"{RANDOM_DIGITS + 1}; give the resource a name of at most {most} characters"
        )
    return name
