"""The pointer names which version of a model is served; nodes and gateways follow it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from inference_service.artifacts.errors import ArtifactError, InvalidDocumentError
from inference_service.artifacts.manifest import check_name


@dataclass(frozen=True)
class VersionRef:
    """A version and the SHA-256 of its manifest: together they fix every byte."""

    version: str
    manifest_sha256: str


@dataclass(frozen=True)
class Pointer:
    """Current version, the one to go back to, and a candidate for `wave_percent` of the nodes (0: none)."""

    current: VersionRef
    previous: VersionRef | None = None
    candidate: VersionRef | None = None
    wave_percent: int = 0

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    def version_for(self, instance_id: str) -> VersionRef:
        """What this node serves: the same answer on every read, and a growing wave only adds nodes."""
        return self.candidate if self.candidate and place(instance_id) < self.wave_percent else self.current

    def raised(self, candidate: VersionRef, wave_percent: int) -> "Pointer":
        """The pointer with a wave of `candidate` that reaches every place below `wave_percent`."""
        return replace(self, candidate=candidate, wave_percent=wave_percent)

    def promoted(self) -> "Pointer":
        """The candidate for every node: what its wave has shown to serve. Nodes under the wave notice nothing."""
        return Pointer(self.candidate, previous=self.current) if self.candidate else self

    def given_up(self) -> "Pointer":
        """The current version for every node, as before the wave."""
        return replace(self, candidate=None, wave_percent=0)

    def activated(self, version: VersionRef) -> "Pointer":
        """The pointer after an activation of `version` at once. Activating the current version changes nothing."""
        if version == self.current and self.candidate is None:
            return self
        previous = self.previous if version == self.current else self.current
        return Pointer(current=version, previous=previous)

    def rolled_back(self) -> "Pointer":
        """The pointer after going back; going back twice returns to where it began.

        Raises:
            ArtifactError: there is no previous version.
        """
        if self.previous is None:
            raise ArtifactError(f"no previous version to go back to: {self.current.version} is the first one activated")
        return replace(self, current=self.previous, previous=self.current, candidate=None, wave_percent=0)


def place(instance_id: str) -> int:
    """Where a node stands in every wave: 0 to 99, and always the same. A wave reaches the places below its percent."""
    return int.from_bytes(hashlib.sha256(instance_id.encode()).digest()[:8]) % 100


def parse(raw: bytes) -> Pointer:
    """Read a pointer object.

    Raises:
        InvalidDocumentError: naming what is wrong.
    """
    try:
        document = json.loads(raw)
        current = _reference(document["current"])
        if current is None or not 0 <= int(document["wave_percent"]) <= 100:
            raise ValueError(f"current {current}, wave_percent {document['wave_percent']!r}")
        previous, candidate = _reference(document["previous"]), _reference(document["candidate"])
        return Pointer(current, previous, candidate, int(document["wave_percent"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDocumentError(f"the pointer is not one: {type(error).__name__}: {error}") from error


def _reference(value: Any) -> VersionRef | None:
    if value is None:
        return None
    return VersionRef(check_name("version", value["version"]), str(value["manifest_sha256"]))
