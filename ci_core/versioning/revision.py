"""A snapshot: the exact versions of everything at one commit, as data (pure).

``versioning/git.py`` and ``versioning/dvc.py`` read the parts; ``versioning/snapshot.py`` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import CommitId, Digest, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFile:
    """A file or folder that DVC keeps, at one revision."""

    path: str
    """Relative to the project, with ``/``."""
    digest: Digest | None
    """``md5:<hex>`` or ``md5:<hex>.dir``; None when the stage has not run at this revision."""
    size_bytes: int | None = None
    files: int | None = None
    """Number of files when it is a folder."""
    is_unrecorded: bool = False
    """Whether the work tree holds other content than its ``.dvc`` file or ``dvc.lock`` says; `digest` is of what it
    holds."""
    is_result: bool = False
    """Whether it is, or holds, what DVC shows as metrics or plots: it may be a table, and is no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVersion:
    """The state of the Git work tree, or of one commit."""

    commit: CommitId
    dirty: Digest | None = None
    """sha256 of the difference between work tree and commit (tracked changes and untracked, unignored files); None for
    a clean tree. A dirty tree never passes for its commit."""

    @property
    def label(self) -> str:
        """The short form shown to people: ``3f2a9c1`` or ``3f2a9c1+dirty.8d0e``."""
        short = self.commit[:7]
        return short if self.dirty is None else f"{short}+dirty.{self.dirty.removeprefix('sha256:')[:4]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVersion:
    """What the code runs on."""

    python: str
    """``3.11``: the version a lock file or ``.python-version`` names, else the running one."""
    lock_file: str | None = None
    """The lock file that was found, relative to the project."""
    lock: Digest | None = None
    packages: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Package → version, as the lock file says; see ``packages.read_packages``."""
    problem: str | None = None
    """Why the lock file's packages could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVersion:
    """A stage of the pipeline as it is declared. Paths are relative to the project; one outside is as DVC writes it."""

    name: str
    """As a person types it: ``train``, ``sub/dvc.yaml:train``."""
    command: str
    """Several commands are lines."""
    needs: tuple[str, ...] = ()
    """Files and folders it reads, sorted."""
    params: tuple[str, ...] = ()
    """``params.yaml:train.rate``, or the file alone when all of it is a param; sorted."""
    makes: tuple[str, ...] = ()
    """Files and folders it writes, metrics and plots too; sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredArtifact:
    """A model, or another result, that ``artifacts`` of a ``dvc.yaml`` gives a name of its own."""

    name: str
    """As it is declared, without a folder."""
    folder: str = ""
    """The folder of its ``dvc.yaml`` relative to the project; empty for the project's own."""
    path: str
    """Relative to the project."""
    type: str | None = None
    """``model``, ``dataset``, or what a team calls it."""
    description: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A model with a name of its own: as a ``dvc.yaml`` of this commit declares it, and as the GTO tags have it."""

    name: str
    """In full: ``churn``, or ``models/eu:churn`` when the ``dvc.yaml`` of that folder of the repository has it."""
    path: str | None = None
    """As ``artifacts`` of ``dvc.yaml`` declares it, relative to the project; None when only tags know it."""
    digest: Digest | None = None
    """Of what is at that path: DVC's ``md5:<hex>``, or Git's ``git:<blob>``; of a folder ``md5:<hex>.dir`` or
    ``sha256:<hex>.dir``. None when nothing is there, or what is there is not known."""
    size_bytes: int | None = None
    """Likewise; None, too, where only the digest is recorded."""
    problem: str | None = None
    """Why it is not known what is there: ``the list of files in `models` is in neither the cache nor the remote``."""
    type: str | None = None
    description: str | None = None
    labels: tuple[str, ...] = ()
    version: str | None = None
    """The greatest version that stands and whose tag is on this commit or before it: ``v1.2.0``."""
    version_commit: CommitId | None = None
    """The commit of that tag: of an older commit than this one, the model may differ by now."""
    stages: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Stage → version as it is now, whichever commit is looked at: ``production`` → ``v1.1.0``; a commit's full name
    where no version stands for it."""
    is_deprecated: bool = False

    @property
    def label(self) -> str:
        """The short form shown to people: ``churn v1.2.0, production v1.1.0``."""
        states = [
            f"{stage} {version if version.startswith('v') else version[:7]}" for stage, version in self.stages.items()
        ]
        first = f"{self.name} {self.version or 'without a version'}{' (deprecated)' if self.is_deprecated else ''}"
        return ", ".join([first, *states])


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Exact versions of code, data, params, environment, models and results at one commit."""

    code: CodeVersion
    data: tuple[TrackedFile, ...] = ()
    """Files that no stage makes: added with ``dvc add`` or imported. Sorted by path."""
    outputs: tuple[TrackedFile, ...] = ()
    """Files that stages make, models included. Sorted by path."""
    params: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """``params.yaml:train.rate`` → value; flattened, one entry a leaf."""
    metrics: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    """``metrics.json:auc`` → value; flattened."""
    environment: EnvironmentVersion
    stages: tuple[StageVersion, ...] = ()
    """The pipeline, sorted by name."""
    models: tuple[RegisteredModel, ...] = ()
    """Sorted by name."""
    stale: tuple[str, ...] = ()
    """Names of stages whose inputs moved since they last ran."""
    problems: tuple[str, ...] = ()
    """What could not be read, one sentence each: ``metrics.json: it is not there``. Never mistaken for "no change"."""
