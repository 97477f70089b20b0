from __future__ import annotations

from pathlib import Path

import pytest

from ci_core import errors
from ci_core.cli._render import render_error
from ci_core.testing.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "versioning"

ERRORS: dict[str, tuple[errors.GraphshipError, int]] = {
    "not-a-repository": (errors.NotARepositoryError(path="/home/ada/flights"), 2),
    "no-commit-yet": (errors.NoCommitYetError(path="/home/ada/flights"), 2),
    "unknown-revision": (
        errors.UnknownRevisionError(revision="mian", is_shallow=False, known_names=["main", "work"]),
        2,
    ),
    "unknown-revision-before-the-first": (
        errors.UnknownRevisionError(revision="main~9", is_shallow=False, known_names=["main", "work"]),
        2,
    ),
    "unknown-revision-shallow": (errors.UnknownRevisionError(revision="HEAD~1", is_shallow=True), 2),
    "unsafe-name": (errors.UnsafeNameError(kind="branch", name="--upload-pack=touch x"), 2),
    "foreign-repository": (errors.ForeignRepositoryError(path="/builds/flights"), 2),
    "git-failed": (errors.GitFailedError(command="git add -- x.log", message="paths are ignored:\nx.log"), 2),
    "not-a-dvc-project": (errors.NotADvcProjectError(path="/home/ada/flights"), 2),
    "not-a-dvc-project-then": (errors.NotADvcProjectError(path="/home/ada/flights", revision="v0.1"), 2),
    "no-pipeline": (errors.NoPipelineError(path="/home/ada/flights"), 2),
    "invalid-dvc-file": (errors.InvalidDvcFileError(file="dvc.yaml", message="expected a mapping"), 2),
    "invalid-dvc-file-yaml": (
        errors.InvalidDvcFileError(
            file="dvc.yaml",
            message="YAML file structure is corrupted\nmapping values are not allowed here\n"
            '  in "<unicode string>", line 3, column 22:\n        cmd: echo "x": 1\n                ^ (line: 3)',
        ),
        2,
    ),
    "invalid-dvc-file-conflict": (
        errors.InvalidDvcFileError(file="dvc.lock", message="?", revision="work", is_conflict=True),
        2,
    ),
    "dvc-busy": (errors.DvcBusyError(path="/home/ada/flights"), 2),
    "no-data-remote": (errors.NoDataRemoteError(), 2),
    "no-data-remote-default": (errors.NoDataRemoteError(remotes=["storage", "archive"]), 2),
    "dvc-failed": (errors.DvcFailedError(doing="read the project", message="cycle in the pipeline"), 2),
    "stage-failed": (
        errors.StageFailedError(
            stage="train",
            reason="it ended with exit code 1",
            command="python train.py",
            log=".graphship/logs/train.log",
            last_lines=["Traceback (most recent call last):", "ValueError: no rows"],
        ),
        3,
    ),
    "stage-failed-silently": (
        errors.StageFailedError(stage="train", reason="output `model.onnx` does not exist"),
        3,
    ),
    "git-remote": (
        errors.GitRemoteError(
            remote="origin",
            url="https://example.org/x.git",
            doing="push `refs/heads/a`",
            message="could not resolve host",
        ),
        5,
    ),
    "git-remote-denied": (
        errors.GitRemoteError(
            remote="origin", url="https://example.org/x.git", doing="fetch its history", message="403", is_denied=True
        ),
        5,
    ),
    "push-rejected": (
        errors.PushRejectedError(ref="refs/heads/main", remote="origin", reason="protected", message="remote: no"),
        5,
    ),
    "missing-objects": (
        errors.MissingObjectsError(
            place="the DVC remote `storage`",
            files=[("data/train.parquet", 1234567), ("models/a.onnx", None)],
            hint="push them from a clone that has them: `dvc push`",
        ),
        5,
    ),
    "missing-objects-many": (
        errors.MissingObjectsError(
            place="the DVC remote `storage`", files=[(f"data/{n:03}.parquet", n) for n in range(100)], hint="push them"
        ),
        5,
    ),
    "data-remote": (
        errors.DataRemoteError(doing="send the data", remote="storage (s3://bucket)", message="access denied"),
        5,
    ),
    "data-remote-without-its-library": (
        errors.DataRemoteError(
            doing="send the data",
            remote="storage (s3://bucket)",
            message="s3 is supported, but requires 'dvc-s3' to be installed",
        ),
        5,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_message_reads_as_it_was_reviewed(name: str) -> None:
    error, exit_code = ERRORS[name]

    assert_golden(GOLDEN / f"{name}.txt", render_error(error))
    assert error.exit_code == exit_code
