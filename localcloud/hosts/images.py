"""From an image's id to the root file system that a host of it boots."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Images:
    """`base` is what every public image of the local EC2 boots here; `made` has a folder per image that was made here.

    Such a folder holds what the image's builder changed, as an overlay's upper folder does, whiteouts included.
    """

    base: Path
    made: Path

    def lower(self, image_id: str) -> str:
        """The folders of overlayfs's `lowerdir`, the uppermost first."""
        own = self.made / image_id
        return ":".join(map(str, [own, self.base] if own.is_dir() else [self.base]))
