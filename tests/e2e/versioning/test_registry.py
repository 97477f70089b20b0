"""The registry in real repositories: what a snapshot has of it, also where the clone or the tags are odd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project, run_git
from ci_core.types import Digest
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.git import GitRepository
from ci_core.versioning.registry import full_name, registered_models
from ci_core.versioning.revision import DeclaredArtifact, RegisteredModel
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e

ARTIFACTS = """\
artifacts:
  churn: {path: models/model.json, type: model, desc: who leaves, labels: [tabular]}
"""
CHURN = DeclaredArtifact(name="churn", path="models/model.json", type="model")


def declare(project: SampleProject, text: str = ARTIFACTS) -> str:
    pipeline = (project.root / "dvc.yaml").read_text(encoding="utf-8")
    project.write("dvc.yaml", pipeline + text)
    return project.commit("declare the model")


def tag(project: SampleProject, name: str, revision: str = "HEAD") -> None:
    project.git("tag", "-a", "-m", f"about {name}", name, revision)


def models(project: SampleProject, revision: str = "HEAD", *declared: DeclaredArtifact) -> tuple[RegisteredModel, ...]:
    git = GitRepository(project.root)
    return registered_models(git, git.resolve(revision), declared).models


def problems(project: SampleProject, *declared: DeclaredArtifact) -> tuple[str, ...]:
    git = GitRepository(project.root)
    return registered_models(git, git.head(), declared).problems


def test_a_snapshot_joins_what_is_declared_with_its_tags(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    commit = declare(project)
    tag(project, "churn@v1.0.0")
    tag(project, "churn#production#1")

    snapshot = take_snapshot(project.root)

    assert snapshot.models == (
        RegisteredModel(
            name="churn",
            path="models/model.json",
            digest=Digest("md5:885b12c79c2de52ebc3ffc776c0f4288"),  # `md5sum` of the file
            size_bytes=19,
            type="model",
            description="who leaves",
            labels=("tabular",),
            version="v1.0.0",
            version_commit=GitRepository(project.root).resolve(commit),
            stages={"production": "v1.0.0"},
        ),
    )
    assert snapshot.models[0].label == "churn v1.0.0, production v1.0.0"
    assert snapshot.problems == ()


def test_a_project_that_declares_nothing_and_has_no_tags_has_no_models(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    tag(project, "v1.0.0")

    assert models(project) == ()


def test_an_older_commit_has_its_own_version_and_todays_stages(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    tag(project, "churn@v1.0.0")
    project.write("README.md", "more\n")
    project.commit()
    tag(project, "churn@v1.1.0")
    tag(project, "churn#production#1")

    (then,), (now,) = take_snapshot(project.root, "HEAD~1").models, take_snapshot(project.root).models

    assert (then.version, now.version) == ("v1.0.0", "v1.1.0")
    assert then.stages == now.stages == {"production": "v1.1.0"}


def test_a_version_on_another_branch_is_none_of_this_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    tag(project, "churn@v1.0.0")
    project.git("checkout", "-q", "-b", "other")
    project.write("README.md", "more\n")
    project.commit()
    tag(project, "churn@v2.0.0")

    assert [model.version for model in models(project, "main")] == ["v1.0.0"]
    assert [model.version for model in models(project, "other")] == ["v2.0.0"]


def test_a_model_that_only_later_tags_know_is_not_there_yet(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("README.md", "more\n")
    project.commit()
    tag(project, "churn@v1.0.0")

    assert models(project, "HEAD~1") == ()
    assert models(project, "HEAD~1", CHURN) == (RegisteredModel(name="churn", path="models/model.json", type="model"),)


def test_a_new_version_is_a_difference_and_a_new_stage_is_none(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    tag(project, "churn@v1.0.0")
    project.write("README.md", "more\n")
    project.commit()
    tag(project, "churn#production#1")
    base, head = take_snapshot(project.root, "HEAD~1"), take_snapshot(project.root, "HEAD")
    tag(project, "churn@v1.1.0")
    later = take_snapshot(project.root, "HEAD")

    assert compare(base, head).models == ()
    (changed,) = compare(base, later).models
    assert changed.change == "changed"
    assert changed.old is not None
    assert changed.new is not None
    assert (changed.old.version, changed.new.version) == ("v1.0.0", "v1.1.0")
    assert compare(head, later).models == (changed,)


def test_an_artifact_of_a_sub_folder_bears_its_folder_in_the_repository(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("eu/dvc.yaml", "artifacts:\n  churn: {path: ../models/model.json}\n")
    declare(project)
    tag(project, "eu=churn@v2.0.0")

    found = take_snapshot(project.root).models

    assert [(model.name, model.path, model.version) for model in found] == [
        ("churn", "models/model.json", None),
        ("eu:churn", "models/model.json", "v2.0.0"),
    ]


def test_a_project_in_a_sub_folder_sees_its_own_models_only(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("models/eu/a.txt", "a\n")
    project.commit()
    for name in ("churn@v1.0.0", "models/eu=churn@v2.0.0", "models/eu/deep=churn@v3.0.0", "models/europe=x@v4.0.0"):
        tag(project, name)
    git = GitRepository(project.root / "models" / "eu")

    found = registered_models(git, git.head(), [CHURN]).models

    assert [(model.name, model.version, model.path) for model in found] == [
        ("models/eu/deep:churn", "v3.0.0", None),
        ("models/eu:churn", "v2.0.0", "models/model.json"),
    ]


def test_odd_tags_of_a_known_model_are_told_once_and_others_are_nobodys_business(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for name in ("churn@1.2", "churn@v1", "churn#", "churn@v1.0.0#x", "@scope/package@1.0.0", "other@1.0.0", "v1#"):
        tag(project, name)
    project.git("tag", "churn@v9.0.0")

    odd, light = problems(project, CHURN)

    assert odd == (
        "`churn#`, `churn@1.2`, `churn@v1` and 1 more: not of the form of a registry tag, such as `churn@v1.2.0` or "
        "`churn#production#3`"
    )
    assert light == "`churn@v9.0.0`: not an annotated tag on a commit (`git tag -a`), so the registry has nothing of it"
    assert [model.version for model in models(project, "HEAD", CHURN)] == [None]


def test_a_tag_of_a_file_or_of_another_tag_is_no_version(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    tag(project, "churn@v1.0.0", "HEAD:params.yaml")
    tag(project, "inner")
    tag(project, "churn@v2.0.0", "inner")

    assert [model.version for model in models(project, "HEAD", CHURN)] == [None]
    assert len(problems(project, CHURN)) == 1


def test_a_tag_whose_object_is_gone_is_told_and_the_rest_of_the_snapshot_is_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    tag(project, "churn@v1.0.0")
    made = project.git("rev-parse", "refs/tags/churn@v1.0.0")
    (project.root / ".git" / "objects" / made[:2] / made[2:]).unlink()

    snapshot = take_snapshot(project.root, "HEAD")

    assert snapshot.metrics["metrics.json:mae"] == 6.345633
    assert [(model.name, model.version) for model in snapshot.models] == [("churn", None)]
    assert snapshot.problems == (
        f"versions and stages of models: fatal: missing object {made} for refs/tags/churn@v1.0.0",
    )


def test_a_signed_tag_is_read_like_any_other(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (tmp_path / "signed").write_text(
        f"object {project.head()}\ntype commit\ntag churn@v1.0.0\ntagger Ada <ada@example.org> 1700000000 +0000\n\n"
        "signed\n-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n",
        encoding="utf-8",
    )
    made = project.git("hash-object", "-t", "tag", "-w", str(tmp_path / "signed"))
    project.git("update-ref", "refs/tags/churn@v1.0.0", made)

    assert [model.version for model in models(project)] == ["v1.0.0"]
    assert project.git("rev-parse", "refs/tags/churn@v1.0.0") == made


def test_a_shallow_clone_says_that_it_sees_no_older_versions(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    tag(project, "churn@v1.0.0")
    declare(project)
    project.git("push", "-q", "--tags", "origin", "main")
    clone = project.clone("shallow", depth=1)

    snapshot = take_snapshot(clone.root)
    (problem,) = snapshot.problems

    assert [(model.name, model.version) for model in snapshot.models] == [("churn", None)]
    assert problem == (
        "versions of `churn` on older commits are not seen, since this clone is shallow: fetch the whole history with "
        "its tags, `git fetch --unshallow --tags`"
    )


def test_a_shallow_clone_of_a_registered_commit_has_nothing_to_say(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    tag(project, "churn@v1.0.0")
    project.git("push", "-q", "--tags", "origin", "main")
    clone = project.clone("shallow", depth=1)

    snapshot = take_snapshot(clone.root)

    assert [model.version for model in snapshot.models] == ["v1.0.0"]
    assert snapshot.problems == ()


def test_a_clone_without_tags_never_calls_a_model_unregistered(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    tag(project, "churn@v1.0.0")
    project.git("push", "-q", "--tags", "origin", "main")
    run_git(tmp_path, "clone", "-q", "--no-tags", project.git_remote.as_uri(), "without")

    assert take_snapshot(tmp_path / "without").problems == (
        "versions and stages of `churn` are not known, since this clone was made without tags: `git fetch --tags`",
    )


def test_thousands_of_versions_are_read_with_as_many_git_calls_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    tag(project, "churn@v1.0.0")
    calls: list[str] = []
    run = GitRepository.run

    def counted(self: GitRepository, *arguments: str, **options: object) -> object:
        calls.append(arguments[0])
        return run(self, *arguments, **options)  # type: ignore[arg-type] # passed on as they come

    monkeypatch.setattr(GitRepository, "run", counted)

    def of_a_snapshot() -> tuple[str | None, list[str]]:
        calls.clear()
        (model,) = models(project)
        return model.version, list(calls)

    few = of_a_snapshot()
    made = project.git("rev-parse", "refs/tags/churn@v1.0.0")
    packed = "# pack-refs with: peeled fully-peeled sorted \n" + "".join(
        sorted(f"{made} refs/tags/churn@v1.{n}.0\n^{project.head()}\n" for n in range(1, 3001))
    )
    (project.root / ".git" / "packed-refs").write_text(packed, encoding="utf-8")

    many = of_a_snapshot()

    assert few[0] == "v1.0.0"
    assert many[0] == "v1.3000.0"
    assert few[1] == many[1]


def test_artifacts_of_a_project_below_the_dvc_root_are_those_of_its_folder(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    declare(project)
    project.write("models/eu/params.yaml", "file: small.json\n")
    project.write("models/eu/dvc.yaml", "artifacts:\n  churn: {path: '${file}', type: model}\n")
    project.write("models/eu/deep/dvc.yaml", "artifacts:\n  leavers: {path: ../big.json, labels: [a, b]}\n")
    project.commit()
    git, dvc = GitRepository(project.root / "models" / "eu"), DvcProject(project.root / "models" / "eu")

    at_commit, in_work_tree = dvc.artifacts(git.head()), dvc.artifacts()

    assert at_commit == in_work_tree
    assert at_commit == (
        DeclaredArtifact(name="leavers", folder="deep", path="big.json", labels=("a", "b")),
        DeclaredArtifact(name="churn", path="small.json", type="model"),
    )
    assert [full_name(git, artifact) for artifact in at_commit] == ["models/eu/deep:leavers", "models/eu:churn"]
