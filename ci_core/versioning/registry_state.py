"""What the registry says now: which versions stand and what each stage is, from all tags (pure).

The rules are GTO's, as ``gto show`` has them. Of the tags that speak of one version, or of one stage of one commit,
the newest counts; those of one second are told apart by their numbers, else a withdrawal wins. A stage is what was
assigned last and neither unassigned nor withdrawn since: take the newest back, and the one before it is valid again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.versioning.registry_grammar import version_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ci_core.types import CommitId
    from ci_core.versioning.registry_grammar import RegistryTag


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEvent:
    """One annotated tag of the registry."""

    tag: RegistryTag
    commit: CommitId
    at: int
    """When it was made: seconds since 1970-01-01 UTC."""

    @property
    def order(self) -> tuple[int, int, bool]:
        """Newer is greater."""
        return self.at, self.tag.counter or 0, self.tag.action in {"withdraw", "unassign", "deprecate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a stage is."""

    commit: CommitId
    version: str | None
    """The version that stands for the commit; None when it has none."""

    @property
    def label(self) -> str:
        """The version; the commit, as GTO has it, when there is none."""
        return self.version or self.commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """All that the tags say of one name."""

    name: str
    versions: Mapping[str, CommitId]
    """Those that stand."""
    withdrawn: Mapping[str, CommitId]
    """Those that do not any more; their names stay taken."""
    stages: Mapping[str, Assignment]
    """By name, sorted."""
    commits: frozenset[CommitId]
    """Whatever a tag of it is on."""
    is_deprecated: bool

    def newest(self, visible: Collection[CommitId] | None = None) -> str | None:
        """Return the greatest version that stands, of those on the `visible` commits; None when there is none."""
        found = [version for version, commit in self.versions.items() if visible is None or commit in visible]
        return max(found, key=version_order, default=None)

    def version_of(self, commit: CommitId) -> str | None:
        """Return the greatest version that stands for exactly this commit."""
        return self.newest({commit})


def artifacts(events: Iterable[TagEvent]) -> dict[str, Artifact]:
    """Return what stands, by full name, sorted; the work grows linearly with the tags."""
    by_name: dict[str, list[TagEvent]] = defaultdict(list)
    for event in events:
        by_name[event.tag.name].append(event)
    return {name: _artifact(name, by_name[name]) for name in sorted(by_name)}


def _artifact(name: str, events: list[TagEvent]) -> Artifact:
    versions, withdrawn = _versions(events)
    newest = max(events, key=lambda event: event.order)
    return Artifact(
        name=name,
        versions=versions,
        withdrawn=withdrawn,
        stages=_stages(events, versions, withdrawn),
        commits=frozenset(event.commit for event in events),
        is_deprecated=newest.tag.action == "deprecate",
    )


def _versions(events: Iterable[TagEvent]) -> tuple[dict[str, CommitId], dict[str, CommitId]]:
    newest: dict[str, TagEvent] = {}
    for event in events:
        if version := event.tag.version:
            known = newest.get(version)
            newest[version] = event if known is None or event.order >= known.order else known
    standing = {version: event.commit for version, event in newest.items() if event.tag.action == "register"}
    return standing, {version: event.commit for version, event in newest.items() if version not in standing}


def _stages(
    events: Iterable[TagEvent], versions: Mapping[str, CommitId], withdrawn: Mapping[str, CommitId]
) -> dict[str, Assignment]:
    of_commit: dict[CommitId, str] = {}
    for version in sorted(versions, key=version_order):
        of_commit[versions[version]] = version
    gone = {commit for commit in withdrawn.values() if commit not in of_commit}
    newest: dict[tuple[str, CommitId], TagEvent] = {}
    for event in events:
        if event.tag.stage and event.commit not in gone:
            key = event.tag.stage, event.commit
            known = newest.get(key)
            newest[key] = event if known is None or event.order >= known.order else known
    valid: dict[str, TagEvent] = {}
    for (stage, _), event in newest.items():
        if event.tag.action == "assign" and (stage not in valid or event.order > valid[stage].order):
            valid[stage] = event
    return {
        stage: Assignment(commit=valid[stage].commit, version=of_commit.get(valid[stage].commit))
        for stage in sorted(valid)
    }
