"""Plots of every odd shape, in the work tree and at a commit that is not checked out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project
from tests.e2e.versioning.shapes import append, both_plots

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_plots_of_every_kind_of_file_are_read_or_said(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("p/a.tsv", "x\ty\n1\t2\n")
    project.write("p/b.yaml", "- {x: 1, y: .nan}\n")
    project.write("p/c.json", '{"meta": [1], "rows": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]}')
    (project.root / "p/d.png").write_bytes(b"\x89PNG rest")
    project.write("p/e.csv", "1,2\n3,4\n")
    project.replace("dvc.yaml", "    plots: [", "    plots: [p/e.csv: {cache: false, header: false}, ")
    project.write("p/empty.csv", "")
    project.write("p/broken.json", "{")
    project.write("p/what.txt", "x")
    project.write("p/lfs.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")
    append(
        project,
        "dvc.yaml",
        "plots: [p/a.tsv, p/b.yaml, p/c.json, p/d.png, p/empty.csv, p/broken.json, "
        "p/what.txt, p/lfs.csv, p/gone.csv, two: {title: Two, y: {p/a.tsv: y, p/c.json: [x, y]}, x: x}]\n",
    )

    for plots in both_plots(project):
        found = {plot.id: plot for plot in plots}
        rows = {name: plot.sources[0].rows for name, plot in found.items()}
        assert rows["p/a.tsv"] == ({"x": "1", "y": "2"},)
        assert rows["p/b.yaml"] == ({"x": 1, "y": None},)
        assert rows["p/c.json"] == ({"x": 1, "y": 2}, {"x": 2, "y": 3})
        assert rows["p/e.csv"] == ({"0": "1", "1": "2"}, {"0": "3", "1": "4"})
        assert found["p/d.png"].sources[0].image == b"\x89PNG rest"
        assert [source.path for source in found["two"].sources] == ["p/a.tsv", "p/c.json"]
        assert found["two"].properties["title"] == "Two"
        assert found["p/empty.csv"].sources[0].problem == "there are no rows in it"
        assert found["p/gone.csv"].sources[0].problem == "it is not there"
        assert found["p/lfs.csv"].sources[0].problem == "only the pointer of Git LFS is there, not the file"
        assert (found["p/broken.json"].sources[0].problem or "").startswith("JSON file structure is corrupted")
        assert "Only JSON, YAML, CSV and TSV formats are supported" in (found["p/what.txt"].sources[0].problem or "")


def test_plots_of_one_name_in_two_pipelines_are_told_apart(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    append(project, "dvc.yaml", "plots: [curve: {x: x, y: {plots/errors.csv: error}}]\n")
    project.write("sub/c.csv", "x,y\n1,2\n")
    project.write("sub/dvc.yaml", "plots: [curve: {x: x, y: {c.csv: y}}]\n")

    for plots in both_plots(project):
        assert [plot.id for plot in plots] == ["dvc.yaml::curve", "plots/errors.csv", "sub/dvc.yaml::curve"]
        assert plots[2].sources[0].rows == ({"x": "1", "y": "2"},)
