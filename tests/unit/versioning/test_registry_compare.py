"""Registered models in a comparison, in text, and in the rows of the report."""

from __future__ import annotations

from ci_core.cli._version_text import snapshot_text
from ci_core.operations.report_data import model_rows
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
    assert diff.has_changes


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


def test_a_snapshot_in_text_has_its_models() -> None:
    bare = RegisteredModel(name="other", stages={"dev": NEW}, is_deprecated=True)

    text = snapshot_text(snapshot(NEW, SECOND, bare))

    assert text.split("\n\n")[-1] == (
        "models\n"
        "  churn  v1.1.0                   at bbbbbbb  production v1.0.0  models/churn.onnx\n"
        "  other  no version (deprecated)              dev bbbbbbb"
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
