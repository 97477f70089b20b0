"""Names of any letters, and links and paths that lead out of the repository."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_plain_repository, make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot
from tests.e2e.versioning.shapes import METRICS, append, both, both_plots, with_cached_metrics

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_names_with_blanks_quotes_and_any_letters_are_names(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    name = 'a b/we\'ird "größe" 漢.json'
    project.write(name, '{"sp ace.d\'ot": 1}')
    append(project, "dvc.yaml", f"metrics: [{json.dumps(name)}]\n")

    for snapshot in both(project):
        assert snapshot.metrics[f"{name}:sp ace.d'ot"] == 1


def test_a_name_that_is_not_utf8_does_no_harm(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with open(os.fsencode(project.root) + b"/caf\xe9.txt", "w") as file:  # noqa: PTH123 - no str can name it
        file.write("x")

    before, after = both(project)

    assert before.code.dirty is not None
    assert before.metrics == after.metrics == METRICS


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_a_file_outside_the_repository_is_never_read(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path)
    project.write("../secret.json", '{"secret": 42}')
    project.write("../secret-2.json", '{"secret": 42}')
    project.write("../secret.csv", "x,y\n4,2\n")
    outside = "../secret" if kind == "relative" else str(project.folder / "secret")
    project.replace("dvc.yaml", "[{metrics.json: {cache: false}}]", f"[{{{outside}-2.json: {{cache: false}}}}]")
    project.replace("dvc.yaml", "params: [prepare.keep]", f"params: [prepare.keep, {{{outside}.json: [secret]}}]")
    append(project, "dvc.yaml", f"metrics: [{outside}.json]\nparams: [{outside}.json]\nplots: [{outside}.csv]\n")
    plots = DvcProject(project.root).plots()

    for snapshot in both(project):
        assert sorted(snapshot.problems) == [
            f"{outside}{name}.json: it lies outside the repository and is not read" for name in ("-2", "")
        ]
        assert "42" not in str(snapshot.metrics) + str(snapshot.params)
        assert "secret-2.json" not in [file.path for file in snapshot.outputs]
    project.git("checkout", "-q", "main")
    for shown in (plots, DvcProject(project.root).plots(CommitId(project.head()))):
        (plot,) = [plot for plot in shown if "secret" in plot.id]
        assert plot.sources[0].problem == "it lies outside the repository and is not read"
        assert plot.sources[0].rows == ()


@pytest.mark.parametrize("target", ["../secret.json", "{folder}/secret.json", "/dev/zero"])
def test_a_link_out_of_the_repository_is_never_followed(tmp_path: Path, target: str) -> None:
    project = make_project(tmp_path)
    project.write("../secret.json", '{"secret": 42}')
    (project.root / "metrics.json").unlink()
    (project.root / "metrics.json").symlink_to(target.format(folder=project.folder))
    project.replace("dvc.yaml", "metrics: [{metrics.json: {cache: false}}]", "always_changed: false")
    append(project, "dvc.yaml", "metrics: [metrics.json]\n")

    before, after = both(project)

    assert before.metrics == after.metrics == {}
    assert before.problems == ("metrics.json: it is a link to a place outside the repository, which is not read",)
    assert after.problems == (
        "metrics.json: it is a symbolic link, or lies behind one, which is not followed in a commit",
    )


def test_a_folder_that_is_a_link_out_of_the_repository_is_never_followed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("../secret/errors.csv", "x,error\n4,2\n")
    shutil.rmtree(project.root / "plots")
    (project.root / "plots").symlink_to("../secret")

    (before,), (after,) = both_plots(project)

    assert before.sources[0].problem == "it is a link to a place outside the repository, which is not read"
    assert after.sources[0].problem == "it is a symbolic link, or lies behind one, which is not followed in a commit"


def test_a_link_into_dvcs_cache_is_followed(tmp_path: Path) -> None:
    project = with_cached_metrics(tmp_path)
    cache = project.folder / "shared-cache"
    shutil.move(project.root / ".dvc/cache", cache)
    append(project, ".dvc/config", f"[cache]\n    dir = {cache}\n    type = symlink\n")
    for name in ("metrics.json", "plots/errors.csv"):
        (project.root / name).unlink()
    DvcProject(project.root).checkout()

    assert (project.root / "metrics.json").is_symlink()
    assert take_snapshot(project.root).metrics == METRICS


def test_a_metrics_file_in_a_submodule_is_said_where_it_is_not_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    other = make_plain_repository(tmp_path / "other", {"metrics.json": '{"auc": 0.5}'})
    run_git(project.root, "submodule", "add", "-q", str(other.root), "lib")
    append(project, "dvc.yaml", "metrics: [lib/metrics.json]\n")

    before = take_snapshot(project.root)
    commit = project.commit()

    assert before.metrics["lib/metrics.json:auc"] == 0.5
    assert take_snapshot(project.root, commit).problems == (
        "lib/metrics.json: it lies in the Git submodule `lib`, which is not read in a commit",
    )
