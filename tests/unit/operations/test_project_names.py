from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ci_core.config.settings import Settings
from ci_core.operations.project import Project


def _project(root: Path, top: Path) -> Project:
    nothing = cast("Any", None)
    return Project(
        settings=Settings(root=root, name="churn"),
        git=cast("Any", SimpleNamespace(top=top)),
        dvc=nothing,
        engine=nothing,
        ledger=nothing,
        find_host=lambda: None,
        target=nothing,
        console=nothing,
        now=nothing,
    )


def test_histories_of_two_projects_in_one_repository_are_two_files(tmp_path: Path) -> None:
    assert _project(tmp_path, tmp_path).history("monitoring", "staging") == "monitoring/churn/staging.jsonl"


@pytest.mark.parametrize(("folder", "context"), [(".", "graphship/report"), ("models/churn", "graphship/churn/report")])
def test_a_status_names_the_project_only_below_the_top_folder(tmp_path: Path, folder: str, context: str) -> None:
    assert _project((tmp_path / folder).resolve(), tmp_path).status_context("report") == context
