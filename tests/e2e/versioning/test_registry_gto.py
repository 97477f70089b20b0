"""GTO reads what we write, and we read what GTO writes. Its own commands do the other half of each test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.projects import make_project
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_tags import create_tag
from ci_core.versioning.registry import registered_models
from ci_core.versioning.registry_grammar import parse_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

WHO = {
    name: value
    for role in ("AUTHOR", "COMMITTER")
    for name, value in ((f"GIT_{role}_NAME", "Ada"), (f"GIT_{role}_EMAIL", "ada@example.org"))
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleProject:
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)
    return make_project(tmp_path)


class Clock:
    """Time for Git's tags, a minute later at each turn: GTO knows seconds only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self._now = monkeypatch, 1_800_000_000

    def each(self, writes: Sequence[Callable[[], object]]) -> None:
        for write in writes:
            self.turn()
            write()

    def turn(self) -> None:
        self._now += 60
        self._monkeypatch.setenv("GIT_COMMITTER_DATE", f"{self._now} +0000")  # what Git reads
        self._monkeypatch.setattr(time, "time", lambda: float(self._now))  # what GTO's own Git library reads


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def gto_api() -> Any:
    from gto import api

    return api


def as_gto_sees(project: SampleProject) -> dict[str, Any]:
    """Return name → newest version, stages that are anything, and whether it is in use."""
    return {
        name: (state["version"], {stage: now for stage, now in state["stage"].items() if now}, state["active"])
        for name, state in gto_api().show(str(project.root), deprecated=True).items()
    }


def as_we_see(project: SampleProject) -> dict[str, Any]:
    git = GitRepository(project.root)
    return {
        model.name: (model.version, dict(model.stages), not model.is_deprecated)
        for model in registered_models(git, git.head()).models
    }


def test_what_gto_writes_is_read_as_gto_reads_it(project: SampleProject, clock: Clock) -> None:
    api = gto_api()
    repository, first = str(project.root), project.head()
    writes: list[Callable[[], object]] = [
        lambda: api.register(repository, "churn", "HEAD", version="v1.0.0"),
        lambda: api.register(repository, "models/eu:churn", "HEAD"),
        lambda: api.assign(repository, "churn", "production", version="v1.0.0"),
        lambda: api.assign(repository, "models/eu:churn", "dev", ref="HEAD"),
        lambda: api.assign(repository, "other", "dev", ref=first, skip_registration=True),
    ]
    clock.each(writes)
    project.write("README.md", "more\n")
    project.commit()
    writes = [
        lambda: api.register(repository, "churn", "HEAD", bump_minor=True),
        lambda: api.assign(repository, "churn", "production", version="v1.1.0"),
        lambda: api.assign(repository, "churn", "staging", version="v1.1.0", simple=True),
    ]
    clock.each(writes)

    assert as_we_see(project) == as_gto_sees(project)
    assert as_we_see(project) == {
        "churn": ("v1.1.0", {"production": "v1.1.0", "staging": "v1.1.0"}, True),
        "models/eu:churn": ("v0.0.1", {"dev": "v0.0.1"}, True),
        "other": (None, {"dev": first}, True),
    }


def test_what_gto_takes_back_is_taken_back(project: SampleProject, clock: Clock) -> None:
    api = gto_api()
    repository = str(project.root)
    clock.turn()
    api.assign(repository, "churn", "production", ref="HEAD", name_version="v1.0.0")
    project.write("README.md", "more\n")
    project.commit()
    writes: list[Callable[[], object]] = [
        lambda: api.assign(repository, "churn", "production", ref="HEAD", name_version="v1.1.0"),
        lambda: api.unassign(repository, "churn", version="v1.1.0", stage="production"),
        lambda: api.assign(repository, "eu:churn", "dev", ref="HEAD", name_version="v1.0.0"),
        lambda: api.deregister(repository, "eu:churn", version="v1.0.0"),
        lambda: api.register(repository, "old", "HEAD"),
        lambda: api.deprecate(repository, "old"),
    ]
    clock.each(writes)

    assert as_we_see(project) == as_gto_sees(project)
    assert as_we_see(project) == {
        "churn": ("v1.1.0", {"production": "v1.0.0"}, True),
        "eu:churn": (None, {}, True),
        "old": ("v0.0.1", {}, False),
    }


def test_what_we_write_is_read_by_gto(project: SampleProject, clock: Clock) -> None:
    git = GitRepository(project.root)
    for text in ("churn@v1.0.0", "churn#production#1", "models/eu=churn@v0.1.0", "models/eu=churn#dev#1"):
        clock.turn()
        assert parse_tag(text) is not None
        assert create_tag(git, text, git.head(), f"about {text}") is not None

    assert as_gto_sees(project) == {
        "churn": ("v1.0.0", {"production": "v1.0.0"}, True),
        "models/eu:churn": ("v0.1.0", {"dev": "v0.1.0"}, True),
    }
    assert as_we_see(project) == as_gto_sees(project)
