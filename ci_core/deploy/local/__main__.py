"""``python -m ci_core.deploy.local FOLDER``: a supervisor for the environment whose folder is FOLDER."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ci_core.deploy.local.paths import EnvironmentFolder
from ci_core.deploy.local.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger("graphship.supervisor")


def main(arguments: list[str], env: Mapping[str, str]) -> int:
    """Run until told to end; return 0 also when another supervisor of this environment runs already."""
    folder = EnvironmentFolder(root=Path(arguments[0]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    _allow_many_connections()
    try:
        with FileLock(folder.supervisor_lock, timeout=0), asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_supervise(folder, env))
    except Timeout:
        _logger.info("another supervisor runs")
    return 0


async def _supervise(folder: EnvironmentFolder, env: Mapping[str, str]) -> None:
    await Supervisor(folder, env, lambda: datetime.now(UTC)).run()


def _allow_many_connections() -> None:
    """Raise the soft limit of open files: 1024 is for interactive programs, and each client costs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if __name__ == "__main__":
    # A program of its own: its environment is what the target chose for it.
    sys.exit(main(sys.argv[1:], os.environ))
