from __future__ import annotations

from pathlib import Path

import pytest

from ci_core import errors
from ci_core.cli._render import render_error
from ci_core.testing.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "versioning"
COMMIT = "3f2a9c1" + "0" * 33

ERRORS: dict[str, errors.GraphshipError] = {
    "missing-identity": errors.MissingIdentityError(
        message="*** Please tell me who you are.\n\nfatal: empty ident name (for <>) not allowed"
    ),
    "invalid-version": errors.InvalidVersionError(version="1.2"),
    "version-taken": errors.VersionTakenError(
        name="churn", version="v1.2.0", commit=COMMIT, reason="this version was withdrawn", hint="take another one"
    ),
    "invalid-artifact-name": errors.InvalidArtifactNameError(name="churn v2"),
    "several-models": errors.SeveralModelsError(names=["churn", "eu:churn"]),
    "stale-pipeline": errors.StalePipelineError(commit=COMMIT, stages=["train", "evaluate"]),
    "tags-not-fetched": errors.TagsNotFetchedError(
        remote="origin", name="churn", missing=["churn@v1.2.0", "churn#production#3"]
    ),
    "tags-not-fetched-different": errors.TagsNotFetchedError(
        remote="origin", name="churn", missing=[], different=["churn@v1.2.0"]
    ),
    "not-promotable": errors.NotPromotableError(
        environment="staging",
        reason="it has neither a stage tag nor a release",
        hint="deploy there first: `graphship deploy staging`",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_message_reads_as_it_was_reviewed_and_ends_with_two(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.txt", render_error(ERRORS[name]))
    assert ERRORS[name].exit_code == 2
