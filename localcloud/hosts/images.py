"""From an image's id to the root file system that a host of it boots, and from a host's disk to an image."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from localcloud.admin import Admin, PendingImage

COPY_SECONDS = 300


@dataclass(frozen=True)
class Images:
    """`base` is what every public image of the local EC2 boots here; `made` has a folder per image that was made here.

    Such a folder holds what the image's builder changed, as an overlay's upper folder does, whiteouts included, and a
    link to the folder of the image that the builder was made of, where that one was made here too.
    """

    base: Path
    made: Path

    def lower(self, image_id: str) -> str:
        """The folders of overlayfs's `lowerdir`, the uppermost first."""
        return ":".join(map(str, [*self._own(image_id), self.base]))

    def keep(self, image: PendingImage, upper: Path) -> None:
        """Copy what a host has changed; complete or not at all.

        Raises:
            OSError, subprocess.SubprocessError: it cannot be copied.
        """
        work = self.made / f".{image.image_id}"
        try:
            work.mkdir(mode=0o700, parents=True)
            subprocess.run(["cp", "--archive", str(upper), str(work / "upper")], check=True, timeout=COPY_SECONDS)
            if self._own(image.parent):
                (work / "parent").symlink_to(f"../{image.parent}")
            work.rename(self.made / image.image_id)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _own(self, image_id: str) -> list[Path]:
        folders, here = list[Path](), self.made / image_id
        while here.is_dir():
            folders.append(here / "upper")
            here = (here / "parent").resolve()
        return folders


@dataclass(frozen=True)
class ImageMaker:
    """Copies disks as the local EC2 asks for; `upper` has what an instance has changed of its image."""

    admin: Admin
    images: Images
    upper: Callable[[str], Path]

    async def refresh(self) -> None:
        """Make what is pending. Raises AdminError when the local AWS does not answer."""
        for image in await self.admin.pending_images():
            try:
                await asyncio.to_thread(self.images.keep, image, self.upper(image.instance_id))
            except (OSError, subprocess.SubprocessError) as error:
                structlog.get_logger().error("an image cannot be made", image=image.image_id, error=str(error))
                await self.admin.image_copied(image.image_id, copied=False)
            else:
                await self.admin.image_copied(image.image_id, copied=True)
