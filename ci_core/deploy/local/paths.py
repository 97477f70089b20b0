"""Where things are in the folder of one environment.

``<state folder>/<environment>/`` holds ``state.json``, ``releases/<id>/`` (``release.json``, ``record.json``,
``bundle/``), ``logs/``, ``supervisor.log``, the locks, the control socket and, unless the project says otherwise,
``.graphship/captures/``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ci_core.types import ReleaseId

_SOCKET_PATH_BYTES = 100
"""``sun_path`` holds 108 bytes on Linux and 104 on macOS, with the final zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFolder:
    """The paths of one environment."""

    root: Path
    """Absolute."""

    @property
    def state(self) -> Path:
        """The truth."""
        return self.root / "state.json"

    @property
    def deploy_lock(self) -> Path:
        """Held by a deployment or rollback from its first look to its last word."""
        return self.root / "deploy.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor as long as it lives; the system frees it however the supervisor ends."""
        return self.root / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says."""
        return self.root / "supervisor.log"

    @property
    def logs(self) -> Path:
        """One file for each server process."""
        return self.root / "logs"

    @property
    def releases(self) -> Path:
        """One folder for each release that is kept."""
        return self.root / "releases"

    def release(self, release: ReleaseId) -> Path:
        """The folder that a server process is started with."""
        return self.releases / release

    def make(self) -> None:
        """Make the folders, closed to other users: captures and logs are nobody else's business."""
        for folder in (self.root, self.logs, self.releases):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def control_socket(self) -> Path:
        """Return where the control socket goes: in the folder, or in a short private one when that path is too long."""
        near = self.root / "control.sock"
        if len(os.fsencode(near)) <= _SOCKET_PATH_BYTES:
            return near
        private = Path(tempfile.gettempdir()) / f"graphship-{os.getuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        found = private.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077 or private.is_symlink():
            raise PermissionError(f"{private} is not a private folder of this user")
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return private / f"{name}.sock"
