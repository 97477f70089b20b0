"""What becomes of a tag when others write meanwhile, and which commit an environment is taken to have."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ci_core.config.settings import EnvironmentSettings, Settings
from ci_core.deploy.spec import Live
from ci_core.errors import GitRemoteError, MissingExtraError, MissingObjectsError, NotPromotableError, PushRejectedError
from ci_core.operations.project import Project
from ci_core.operations.promote import promote
from ci_core.operations.registry import TagOptions, WantedTag, write_tag
from ci_core.testing.projects import make_project
from ci_core.types import CommitId, EnvironmentName
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from ci_core.versioning.git_tags import create_tag
from ci_core.versioning.ledger import Ledger
from ci_core.versioning.registry_grammar import RegistryTag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.testing.projects import SampleProject
    from ci_core.versioning.git_tags import GitTag

pytestmark = pytest.mark.e2e

PRODUCTION = EnvironmentSettings(name=EnvironmentName("production"), deploy_on="manual")
STAGING = EnvironmentSettings(name=EnvironmentName("staging"), deploy_on="manual")
ON_MERGE = EnvironmentSettings(name=EnvironmentName("staging"), deploy_on="merge")


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleProject:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Ada")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "ada@example.org")
    return make_project(tmp_path)


def opened(sample: SampleProject, live: str | None = None, *, has_target: bool = True) -> Project:
    """Return the project, on a target that only says what is live."""
    git = GitRepository(sample.root)

    def observe(environment: EnvironmentName) -> Live:
        return Live(environment=environment, commit=None if live is None else CommitId(live))

    def target(_environment: EnvironmentSettings) -> Any:
        if not has_target:
            raise MissingExtraError(extra="serve", module="httptools")
        return SimpleNamespace(observe=observe)

    return Project(
        settings=Settings(root=sample.root, name="sample"),
        git=git,
        dvc=DvcProject(sample.root),
        engine=cast("Any", None),
        ledger=Ledger(git),
        find_host=lambda: None,
        target=target,
        console=cast("Any", None),
        now=cast("Any", None),
    )


def tag(sample: SampleProject, name: str, revision: str = "HEAD") -> None:
    sample.git("tag", "-a", "-m", f"about {name}", name, revision)


def version_tag(version: str) -> WantedTag:
    wanted = RegistryTag(name="churn", action="register", version=version)
    return WantedTag(tag=wanted, version=version, message="a version")


def test_a_tag_that_the_remote_does_not_take_is_not_kept_here(sample: SampleProject) -> None:
    other = sample.clone("other")
    tag(other, "churn@v1.0.0")
    other.git("push", "-q", "origin", "churn@v1.0.0")
    theirs = other.git("rev-parse", "refs/tags/churn@v1.0.0")
    project = opened(sample)

    with pytest.raises(PushRejectedError) as raised:  # as if they had pushed after we had looked
        write_tag(
            project,
            "churn",
            project.git.head(),
            lambda _tags: version_tag("v1.0.0"),
            options=TagOptions(push=True),
            on_remote={},
        )

    assert raised.value.reason == "moved"
    assert sample.git("tag", "--list") == ""
    assert sample.git("ls-remote", "origin", "refs/tags/churn@v1.0.0").split()[0] == theirs


def test_a_name_that_is_taken_meanwhile_is_planned_anew(sample: SampleProject) -> None:
    project = opened(sample)
    commit = project.git.head()
    looked: list[list[str]] = []

    def plan(tags: Sequence[GitTag]) -> WantedTag:
        looked.append([tag.name for tag in tags])
        if len(looked) == 1:  # somebody is quicker, after we have looked
            create_tag(project.git, "churn@v1.0.0", commit, "quicker")
        return version_tag("v1.0.0" if len(looked) == 1 else "v1.0.1")

    change = write_tag(project, "churn", commit, plan, options=TagOptions(), on_remote={})

    assert looked == [[], ["churn@v1.0.0"]]
    assert (change.tag, change.outcome) == ("churn@v1.0.1", "written")


def test_where_a_merge_deploys_the_live_release_counts_and_no_tag(sample: SampleProject) -> None:
    first = sample.head()
    sample.write("README.md", "more\n")
    sample.commit()
    tag(sample, "sample#staging#1")

    promotion = promote(opened(sample, first), ON_MERGE, PRODUCTION, options=TagOptions())

    assert (promotion.change.commit, promotion.known_by) == (first, "its live release")


def test_a_stage_tag_that_does_not_serve_is_promoted_by_force_only(sample: SampleProject) -> None:
    first = sample.head()
    sample.write("README.md", "more\n")
    second = sample.commit()
    tag(sample, "sample#staging#1")
    project = opened(sample, first)

    with pytest.raises(NotPromotableError) as raised:
        promote(project, STAGING, PRODUCTION, options=TagOptions())
    forced = promote(project, STAGING, PRODUCTION, options=TagOptions(force=True))

    assert raised.value.reason == f"its stage tag is on `{second[:12]}`, but `{first[:12]}` serves there"
    assert forced.change.commit == second


def test_a_machine_that_cannot_serve_goes_by_the_tag(sample: SampleProject) -> None:
    tag(sample, "sample#staging#1")
    tag(sample, "sample#eu/production#6")

    promotion = promote(opened(sample, has_target=False), STAGING, PRODUCTION, options=TagOptions())

    assert (promotion.change.tag, promotion.known_by) == ("sample#production#7", "its stage tag")


def test_a_release_of_files_that_are_not_committed_is_not_promoted(sample: SampleProject) -> None:
    project = opened(sample, f"{sample.head()}+dirty.1234")

    with pytest.raises(NotPromotableError) as raised:
        promote(project, STAGING, PRODUCTION, options=TagOptions())

    assert raised.value.reason == "its release was built from files that are not committed"


def test_a_remote_that_is_not_reached_leaves_no_tag_behind(sample: SampleProject) -> None:
    project = opened(sample)
    sample.git("remote", "set-url", "origin", str(sample.folder / "nowhere.git"))

    with pytest.raises(GitRemoteError):
        write_tag(
            project,
            "churn",
            project.git.head(),
            lambda _tags: version_tag("v1.0.0"),
            options=TagOptions(push=True),
            on_remote={},
        )

    assert sample.git("tag", "--list") == ""


def test_objects_are_looked_for_before_a_tag_is_written(sample: SampleProject) -> None:
    project = opened(sample, sample.head())
    shutil.rmtree(sample.dvc_remote / "files")

    with pytest.raises(MissingObjectsError) as raised:
        promote(project, STAGING, PRODUCTION, options=TagOptions())

    assert {path for path, _ in raised.value.files} == {
        "data/prepared",
        "data/prepared/test.csv",
        "data/prepared/train.csv",
        "data/raw.csv",
        "models/model.json",
    }
    assert sample.git("tag", "--list") == ""
