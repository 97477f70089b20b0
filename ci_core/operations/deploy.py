"""Deploy the work tree by hand, without a CI event: what ``graphship plan`` and ``graphship deploy`` do.

Nothing is run, committed or written to the ledger: the files are taken as they are, and the record says so when they
differ from their commit.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.deploy.release import build_release
from ci_core.deploy.smoke import read_smoke_requests
from ci_core.deploy.spec import ReleaseRecord
from ci_core.operations.lowering import lower_models
from ci_core.types import CommitId
from ci_core.versioning.git import GitRepository
from ci_core.versioning.revision import CodeVersion
from ci_core.workspace import workspace_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.config.settings import Settings
    from ci_core.deploy.base import DeployTarget
    from ci_core.deploy.spec import DeploymentOutcome, Plan
    from ci_core.types import EnvironmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTreeRelease:
    """The release of the files as they are."""

    record: ReleaseRecord
    bundle: Path
    code: CodeVersion
    notes: tuple[str, ...] = ()
    """What a plan says of it, whatever is live."""


def plan_work_tree(settings: Settings, environment: EnvironmentName, target: DeployTarget) -> Plan:
    """Return what deploying the work tree would do.

    Raises:
        GraphshipError: the graph does not load (exit code 3), a file is missing (2), or the target's state is unknown.
    """
    with build_work_tree(settings) as built:
        return _plan(built, environment, target)


def deploy_work_tree(
    settings: Settings,
    environment: EnvironmentName,
    target: DeployTarget,
    *,
    progress: Callable[[str], None],
) -> DeploymentOutcome:
    """Deploy the work tree.

    Raises:
        GraphshipError: as :func:`plan_work_tree`, and what ``DeployTarget.apply`` raises (exit code 4).
    """
    smoke = read_smoke_requests(settings.root, settings.smoke)
    with build_work_tree(settings) as built:
        progress(f"release {built.record.release.id[:12]} built from {built.code.label}")
        if built.code.dirty is not None:
            progress("the work tree has changes that no commit holds: this release cannot be made again from Git")
        plan = _plan(built, environment, target)
        return target.apply(plan, built.record, built.bundle, smoke=smoke, progress=progress)


@contextmanager
def build_work_tree(settings: Settings) -> Iterator[WorkTreeRelease]:
    """Build the release of the work tree; its archive is gone after the ``with`` block.

    Raises:
        GraphshipError: no repository or commit, the graph does not load, or a file is missing.
    """
    git = GitRepository(settings.root)
    code = CodeVersion(commit=git.head(), dirty=git.dirty_digest())
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=workspace_folder(settings.root)) as scratch:
        built = build_release(settings, Path(scratch), lower=partial(lower_models, settings))
        lowering = tuple(decision.to_dict() for decision in built.lowering)
        record = ReleaseRecord(release=built.release, commit=_recorded_commit(code), lowering=lowering)
        yield WorkTreeRelease(record=record, bundle=built.bundle.path, code=code, notes=built.notes)


def _recorded_commit(code: CodeVersion) -> CommitId:
    """Return the full commit; a dirty tree never gets a clean commit's name."""
    _, mark, difference = code.label.partition("+")
    return CommitId(f"{code.commit}{mark}{difference}")


def _plan(built: WorkTreeRelease, environment: EnvironmentName, target: DeployTarget) -> Plan:
    live = target.observe(environment)
    live_release = target.stored(environment, live.release) if live.release is not None else None
    plan = target.plan(environment, built.record.release, live, live_release)
    return replace(plan, notes=(*plan.notes, *built.notes))
