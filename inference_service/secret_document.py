"""A small document in an SSM SecureString, changed by several writers without losing anybody's change.

SSM has no conditional write. But each write is answered with the version that it made: a gap shows that somebody wrote
in between and was overwritten. SSM keeps a hundred versions, so that the change is then made again, on theirs.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ATTEMPTS = 10


class SecretConflictError(Exception):
    """Others write all the time."""


@dataclass(frozen=True)
class SecretDocument:
    """One parameter. All of it blocks: call it in a thread.

    `key_id` of KMS: without it a write would go over to the account's default key.
    """

    ssm: Any
    name: str
    key_id: str | None = None

    def read(self) -> str:
        """The present text. Raises botocore's errors."""
        return self._read(self.name)[0]

    def change(self, change: Callable[[str], str]) -> str:
        """Write what `change` makes of the present text, which it may be asked for more than once; returns it.

        Raises:
            SecretConflictError: others kept writing. Whatever `change` raises, too; then nothing is changed.
        """
        before, version = self._read(self.name)
        for _ in range(ATTEMPTS):
            after = change(before)
            written = self._write(after)
            if written == version + 1:
                return after
            before, version = self._read(f"{self.name}:{written - 1}")[0], written
            try:
                change(before)
            except Exception:
                self._write(before)  # theirs stays
                raise
        raise SecretConflictError(f"others keep writing {self.name}; try again")

    def _read(self, selector: str) -> tuple[str, int]:
        found = self.ssm.get_parameter(Name=selector, WithDecryption=True)["Parameter"]
        return str(found["Value"]), int(found["Version"])

    def _write(self, text: str) -> int:
        key = {"KeyId": self.key_id} if self.key_id else {}
        made = self.ssm.put_parameter(Name=self.name, Value=text, Type="SecureString", Overwrite=True, **key)
        return int(made["Version"])


def key_of(ssm: Any, name: str) -> str | None:
    """The KMS key of a parameter. Raises botocore's errors."""
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    described = ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
    return described[0].get("KeyId") if described else None
