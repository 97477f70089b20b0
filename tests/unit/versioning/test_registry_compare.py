"""Registered models in a comparison, in text, and in the rows of the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_core.cli._version_text import snapshot_text
from ci_core.operations.model_data import model_rows
from ci_core.types import CommitId, Digest
from ci_core.versioning.compare import compare
from ci_core.versioning.difference import ModelDiff
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, RegisteredModel, Snapshot, TrackedFile

OLD, NEW = CommitId("a" * 40), CommitId("b" * 40)
FIRST = RegisteredModel(
    name="churn", path="models/churn.onnx", version="v1.0.0", version_commit=OLD, stages={"production": "v1.0.0"}
)
SECOND = RegisteredModel(
    name="churn", path="models/churn.onnx", version="v1.1.0", version_commit=NEW, stages={"production": "v1.0.0"}
)


def snapshot(commit: CommitId, *models: RegisteredModel, digest: str = "md5:1") -> Snapshot:
    return Snapshot(
        code=CodeVersion(commit=commit),
        outputs=(TrackedFile(path="models/churn.onnx", digest=Digest(digest), size_bytes=5),),
        environment=EnvironmentVersion(python="3.11"),
        models=models,
    )


def test_a_version_a_new_model_and_one_that_is_gone_are_differences() -> None:
    gone, new = RegisteredModel(name="old"), RegisteredModel(name="new")

    diff = compare(snapshot(OLD, FIRST, gone), snapshot(NEW, SECOND, new))

    assert diff.models == (
        ModelDiff(name="churn", change="changed", old=FIRST, new=SECOND),
        ModelDiff(name="new", change="added", new=new),
        ModelDiff(name="old", change="removed", old=gone),
    )


def test_what_tags_set_without_a_commit_is_no_difference() -> None:
    now = RegisteredModel(
        name="churn",
        path="models/churn.onnx",
        description="in other words",
        version="v1.0.0",
        stages={"production": "v0.9.0", "staging": "v1.0.0"},
        is_deprecated=True,
    )

    assert compare(snapshot(OLD, FIRST), snapshot(NEW, now)).models == ()


def test_the_heads_models_are_known_without_a_base_too() -> None:
    assert compare(None, snapshot(NEW, SECOND)).registered == (SECOND,)


def test_the_label_names_version_and_stages_and_shortens_commits() -> None:
    bare = RegisteredModel(name="eu:churn", stages={"dev": NEW}, is_deprecated=True)

    assert SECOND.label == "churn v1.1.0, production v1.0.0"
    assert bare.label == "eu:churn without a version (deprecated), dev bbbbbbb"


def test_a_snapshot_in_text_has_its_models_with_digest_and_size_whoever_keeps_them() -> None:
    of_git = replace(SECOND, stages={}, digest=Digest("git:3b18e512" + "a" * 32), size_bytes=30_600)
    sizeless = RegisteredModel(name="large", path="weights/large.bin", digest=Digest("md5:" + "e7439ae6" * 4))
    unknown = RegisteredModel(name="lost", path="weights/lost.bin", problem="it is nowhere")
    bare = RegisteredModel(name="other", stages={"dev": NEW}, is_deprecated=True)

    text = snapshot_text(snapshot(NEW, of_git, sizeless, unknown, bare))

    assert text.split("\n\n")[-1] == (
        "models\n"
        "  churn  models/churn.onnx  30.6 kB       git:3b18e512  v1.1.0                   at bbbbbbb\n"
        "  large  weights/large.bin  size unknown  md5:e7439ae6  no version\n"
        "  lost   weights/lost.bin                 not known     no version\n"
        "  other                                                 no version (deprecated)              dev bbbbbbb"
    )


def test_a_row_of_the_report_says_what_the_registry_has_of_the_file() -> None:
    diff = compare(snapshot(OLD, FIRST), snapshot(NEW, SECOND, digest="md5:2"))

    (row,) = model_rows(diff, ["models/churn.onnx"])

    assert row.change == "changed"
    assert row.registered == "churn v1.0.0, production v1.0.0 → churn v1.1.0, production v1.0.0"


def test_a_model_that_is_only_registered_anew_has_a_row_too() -> None:
    (row,) = model_rows(compare(snapshot(OLD, FIRST), snapshot(NEW, SECOND)), [])

    assert (row.path, row.change, row.new_digest) == ("models/churn.onnx", "same", None)


def test_a_registered_file_is_a_model_without_any_graph() -> None:
    (row,) = model_rows(compare(snapshot(OLD, FIRST), snapshot(NEW, FIRST, digest="md5:2")), [])

    assert (row.path, row.change, row.registered) == (
        "models/churn.onnx",
        "changed",
        "churn v1.0.0, production v1.0.0",
    )


DECLARED = RegisteredModel(name="churn", path="models/churn.onnx")
TAGS_ALONE = RegisteredModel(name="churn", version="v1.0.0", version_commit=OLD)


@pytest.mark.parametrize("former", [None, TAGS_ALONE])
def test_a_model_that_is_declared_now_is_an_added_row(former: RegisteredModel | None) -> None:
    before = (former,) if former else ()

    (row,) = model_rows(compare(snapshot(OLD, *before), snapshot(NEW, DECLARED)), [])

    assert (row.path, row.change) == ("models/churn.onnx", "added")


@pytest.mark.parametrize("left", [None, TAGS_ALONE])
def test_a_model_that_is_declared_no_more_is_a_removed_row(left: RegisteredModel | None) -> None:
    after = (left,) if left else ()

    (row,) = model_rows(compare(snapshot(OLD, DECLARED), snapshot(NEW, *after)), ["models/churn.onnx"])

    assert (row.path, row.change, row.registered) == (
        "models/churn.onnx",
        "removed",
        "churn is not declared any more",
    )


def test_a_model_with_another_name_is_a_changed_row_that_has_both() -> None:
    renamed = RegisteredModel(name="leavers", path="models/churn.onnx")

    (row,) = model_rows(compare(snapshot(OLD, DECLARED), snapshot(NEW, renamed)), [])

    assert (row.change, row.registered) == (
        "changed",
        "churn is not declared any more; leavers without a version",
    )


def _of_git(digest: str | None, size_bytes: int | None = None) -> RegisteredModel:
    return RegisteredModel(
        name="rules", path="rules.json", digest=Digest(digest) if digest else None, size_bytes=size_bytes
    )


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (_of_git("git:1", 5), _of_git("git:2", 6), "changed"),
        (_of_git(None), _of_git("git:2", 6), "added"),
        (_of_git("git:1", 5), _of_git(None), "removed"),
    ],
)
def test_a_model_that_git_keeps_has_its_content_in_the_row(
    old: RegisteredModel, new: RegisteredModel, change: str
) -> None:
    (row,) = model_rows(compare(snapshot(OLD, old), snapshot(NEW, new)), [])

    assert (row.path, row.change, row.registered) == ("rules.json", change, "rules without a version")
    assert (row.old_digest, row.old_bytes) == (old.digest, old.size_bytes)
    assert (row.new_digest, row.new_bytes) == (new.digest, new.size_bytes)


def test_a_model_that_moves_from_dvc_to_git_is_changed() -> None:
    of_git = RegisteredModel(name="churn", path="models/churn.onnx", digest=Digest("git:2"), size_bytes=6)
    head = replace(snapshot(NEW, of_git), outputs=())

    (row,) = model_rows(compare(snapshot(OLD, DECLARED), head), [])

    assert (row.change, row.old_digest, row.new_digest) == ("changed", "md5:1", "git:2")
