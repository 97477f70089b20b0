"""A release, what is live, a plan, and what came of it (pure data).

A release is what runs: its id is the sha256 of its canonical JSON. Commit, snapshot and metrics are recorded beside it
(:class:`ReleaseRecord`) and not hashed, so a commit that only touches the documentation gives the same release.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ci_core.types import ReleaseId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import CommitId, Digest, EnvironmentName, JsonObject, JsonValue, StepName


def canonical_json(value: object) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no blanks, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model that the graph loads."""

    path: str
    """Relative to the project, as the graph names it."""
    digest: Digest
    """sha256 of the file's bytes."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Resolved graph, bundle and model digests, serving lock and settings: immutable."""

    project: str
    graph: JsonObject
    """The resolved graph as ``GraphSpec.to_dict()`` gives it."""
    bundle: Digest
    models: tuple[ModelFile, ...] = ()
    lock: Digest | None = None
    """sha256 of the file that pins what a serving process has installed; None when the project has none."""
    settings: JsonObject = field(default_factory=lambda: MappingProxyType({}))
    """Settings that change what a process does: ``{"capture": {"to": …, "sample": …}}``."""

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the release as plain JSON data: what ``release.json`` holds and what is hashed."""
        return {
            "format": 1,
            "project": self.project,
            "graph": self.graph,
            "bundle": self.bundle,
            "models": [asdict(model) for model in self.models],
            "lock": self.lock,
            "settings": dict(self.settings),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Release:
        """Build the release back from :meth:`to_dict`.

        Raises:
            ValueError: `data` is not the stored form of a release.
        """
        if data.get("format") != 1:
            raise ValueError(f"expected format 1 of a release, found {data.get('format')!r}")
        try:
            return cls(
                project=data["project"],
                graph=data["graph"],
                bundle=data["bundle"],
                models=tuple(ModelFile(**model) for model in data["models"]),
                lock=data["lock"],
                settings=data["settings"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a release: {error}") from error

    @property
    def id(self) -> ReleaseId:
        """sha256 of the canonical JSON."""
        return ReleaseId(hashlib.sha256(canonical_json(self.to_dict())).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """A release and where it came from; kept in the ledger as ``releases/<id>.json``."""

    release: Release
    commit: CommitId
    """With ``+dirty.<4 hex>`` behind it when it was built from a work tree with changes."""
    metrics: Mapping[str, JsonValue] = field(default_factory=lambda: MappingProxyType({}))
    lowering: tuple[JsonObject, ...] = ()
    """One object a route whose model could be lowered: ``{"route", "form", "reason", "file", "digest", "rows"}``, with
    the form ``original``, ``numpy`` or ``onnx``."""

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the record as plain JSON data."""
        stored: dict[str, JsonValue] = {
            "release": self.release.to_dict(),
            "commit": self.commit,
            "metrics": dict(self.metrics),
        }
        if self.lowering:
            stored["lowering"] = [dict(decision) for decision in self.lowering]
        return stored

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReleaseRecord:
        """Build the record back from :meth:`to_dict`.

        Raises:
            ValueError: `data` is not the stored form of a record.
        """
        try:
            return cls(
                release=Release.from_dict(data["release"]),
                commit=data["commit"],
                metrics=MappingProxyType(data["metrics"]),
                lowering=tuple(data.get("lowering", ())),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a release record: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a target says of one environment; the truth of what runs."""

    environment: EnvironmentName
    release: ReleaseId | None = None
    """The release that gets the traffic; None before the first deployment."""
    commit: CommitId | None = None
    """The commit that release was built from when it was deployed here."""
    url: str | None = None
    is_healthy: bool = False
    version: int = 0
    """Counts every change of the environment's state; a plan is refused when it moved since."""
    previous: ReleaseId | None = None
    """The release that served before; where a rollback goes."""
    known_bad: tuple[ReleaseId, ...] = ()
    """Releases that failed here and are refused until their content changes."""
    captures: str | None = None
    """Folder or URL where this environment's model calls are written."""
    history: tuple[JsonObject, ...] = ()
    """Newest last: ``{"release", "commit", "at", "outcome", "reason"}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """One node of the serving graph that differs between live and planned."""

    step: StepName
    change: Literal["added", "removed", "changed"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deployment would do, before it does it."""

    environment: EnvironmentName
    target: str
    release: ReleaseId
    live: ReleaseId | None
    live_version: int
    action: Literal["create", "replace", "none", "refused"]
    steps: tuple[StepChange, ...] = ()
    models: tuple[str, ...] = ()
    """One line a model that is added, removed or replaced, with digest and size."""
    notes: tuple[str, ...] = ()
    """What the reader must know: refusals with their reason, the life time of a process on a CI runner, …"""

    @property
    def digest(self) -> str:
        """sha256 of the plan's own canonical JSON: what an approval refers to."""
        return hashlib.sha256(canonical_json(asdict(self))).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    """How long one phase of a deployment took."""

    phase: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOutcome:
    """What came of applying a plan or rolling back."""

    environment: EnvironmentName
    release: ReleaseId
    """The release that was to be deployed."""
    outcome: Literal["deployed", "unchanged", "rolled-back"]
    live: Live
    """What serves now."""
    smoke_requests: int = 0
    phases: tuple[PhaseTime, ...] = ()
