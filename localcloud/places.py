"""Where the local cloud of one checkout keeps its files."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = ".warmfleet"


@dataclass(frozen=True)
class Places:
    """Paths below `root`, an absolute path; nothing is created by asking for one."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> "Places":
        return cls(root.resolve())

    @property
    def folder(self) -> Path:
        return self.root / FOLDER

    @property
    def cloud_file(self) -> Path:
        return self.folder / "cloud.json"

    @property
    def problems_file(self) -> Path:
        return self.folder / "problems.json"

    @property
    def lock_file(self) -> Path:
        return self.folder / "cloud.lock"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def daemon_log(self) -> Path:
        return self.logs / "daemon.log"

    @property
    def instances(self) -> Path:
        return self.folder / "instances"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens hosts."""
        return self.folder / "ssh" / "id_ed25519"

    @property
    def api_key(self) -> Path:
        """The key that `up` made, for commands of this checkout."""
        return self.folder / "api-key"

    @property
    def pulumi_backend(self) -> Path:
        return self.folder / "pulumi"

    @property
    def pulumi_home(self) -> Path:
        return self.folder / "pulumi-home"


def make_private_folder(path: Path) -> None:
    """Create `path` and its parents up to an existing one, closed to other users (0700)."""
    if path.is_dir():
        return
    make_private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
