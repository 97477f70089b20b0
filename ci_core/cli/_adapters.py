"""Make the adapter that an environment's settings name, from settings and environment variables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ci_core.cli._common import need
from ci_core.registry import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.config.settings import EnvironmentSettings, Settings
    from ci_core.deploy.base import DeployTarget


def make_target(
    settings: Settings, environment: EnvironmentSettings, env: Mapping[str, str], *, accepts_known_bad: bool = False
) -> DeployTarget:
    """Return the target of `environment`.

    A target of another package is called with ``settings``, ``environment`` and ``env``.

    Args:
        settings: the project.
        environment: one of its environments.
        env: environment variables.
        accepts_known_bad: whether a release that failed there before is tried again.

    Raises:
        UnknownNameError: there is no such target.
        MissingExtraError: a library the target needs is not installed.
    """
    where = settings.locate(f"environments.{environment.name}.target")
    factory = TARGETS.load(environment.target, where=where)
    if environment.target != "local":
        return cast("DeployTarget", factory(settings=settings, environment=environment, env=env))
    need("serve", "httptools")
    need("ci", "filelock")
    from ci_core.deploy.local import LocalOptions, LocalTarget

    return LocalTarget(
        state_folder(settings.name, env),
        LocalOptions.from_settings(environment.options),
        env=env,
        clock=lambda: datetime.now(UTC),
        accepts_known_bad=accepts_known_bad,
    )


def state_folder(project: str, env: Mapping[str, str]) -> Path:
    """Return where the local target keeps what it knows of a project: outside of any clone, which may be deleted."""
    if chosen := env.get("GRAPHSHIP_STATE_DIR"):
        return Path(chosen).absolute() / project
    base = Path(env.get("XDG_STATE_HOME") or Path(env.get("HOME") or Path.home()) / ".local" / "state")
    return base / "graphship" / project
