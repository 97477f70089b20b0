"""Every odd shape of a DVC project, read in the work tree and at a commit that is not checked out."""

from __future__ import annotations

import json
import math
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ci_core.errors import InvalidDvcFileError
from ci_core.testing.projects import SampleProject, make_plain_repository, make_project, run_git
from ci_core.types import CommitId
from ci_core.versioning.compare import compare
from ci_core.versioning.dvc import DvcProject
from ci_core.versioning.snapshot import take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.versioning.plots import Plot
    from ci_core.versioning.revision import Snapshot

pytestmark = pytest.mark.e2e

PARAMS = {"params.yaml:prepare.keep": 40, "params.yaml:train.rate": 0.001, "params.yaml:train.steps": 3}
METRICS = {"metrics.json:mae": 6.345633, "metrics.json:test.rows": 20}


def both(project: SampleProject) -> list[Snapshot]:
    """Return the snapshot of the work tree, and that of the same files in a commit, read from another one."""
    before = take_snapshot(project.root)
    commit = project.commit()
    project.git("checkout", "-q", "HEAD~1")
    return [before, take_snapshot(project.root, commit)]


def both_plots(project: SampleProject) -> list[tuple[Plot, ...]]:
    dvc = DvcProject(project.root)
    before = dvc.plots()
    commit = CommitId(project.commit())
    project.git("checkout", "-q", "HEAD~1")
    return [before, dvc.plots(commit)]


def append(project: SampleProject, path: str, text: str) -> None:
    project.write(path, (project.root / path).read_text() + text)


# --- lock files ---


def test_a_lock_file_of_dvc_1_is_read_and_never_written_to(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    expected = take_snapshot(project.root)
    lines = (project.root / "dvc.lock").read_text().split("stages:\n")[1].splitlines()
    old = "".join(f"{line[2:]}\n" for line in lines if "hash: md5" not in line)
    project.write("dvc.lock", old)

    for snapshot in both(project):
        assert snapshot.outputs == expected.outputs
        assert snapshot.metrics == METRICS
        assert snapshot.problems == ()
    project.write("dvc.lock", old)
    with (
        pytest.raises(InvalidDvcFileError) as caught,
        DvcProject(project.root).session("run the pipeline") as repo,
    ):
        repo.index.stages  # noqa: B018 - read as a run reads it
    assert caught.value.message == "DVC 1 wrote it: put `schema: '2.0'` first, and its stages under `stages:`"


def test_digests_of_dvc_2_are_read_as_they_are(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    expected = take_snapshot(project.root)
    lock = (project.root / "dvc.lock").read_text()
    project.write("dvc.lock", "".join(line for line in lock.splitlines(keepends=True) if "hash: md5" not in line))

    for snapshot in both(project):
        assert snapshot.outputs == expected.outputs


@pytest.mark.parametrize("schema", ["'3.0'", "3", "null"])
def test_a_lock_file_of_a_newer_schema_is_named(tmp_path: Path, schema: str) -> None:
    project = make_project(tmp_path)
    project.replace("dvc.lock", "schema: '2.0'", f"schema: {schema}")
    commit = project.commit()

    for revision in (None, commit):
        with pytest.raises(InvalidDvcFileError) as caught:
            take_snapshot(project.root, revision)
        assert caught.value.file == "dvc.lock"
        assert "and this version of DVC knows `2.0`: a newer one wrote it" in caught.value.message


# --- metrics ---


def test_metrics_are_told_as_they_are_whatever_they_turned_to(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    old = take_snapshot(project.root)
    content = '{"mae": "n/a", "test": {"rows": NaN, "top": Infinity, "none": null, "ok": true}, "folds": [0.5, 1]}'
    project.write("metrics.json", content)

    for snapshot in both(project):
        rows = snapshot.metrics["metrics.json:test.rows"]
        assert isinstance(rows, float)
        assert math.isnan(rows)
        assert {key: value for key, value in snapshot.metrics.items() if not key.endswith("rows")} == {
            "metrics.json:folds": [0.5, 1],
            "metrics.json:mae": "n/a",
            "metrics.json:test.ok": True,
            "metrics.json:test.top": math.inf,
        }
        notes = {metric.key: metric.note for metric in compare(old, snapshot).metrics}
        assert notes["metrics.json:mae"] == "is not a number any more"
        assert notes["metrics.json:test.rows"] == "became NaN"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0.0\n", 0.0), ("false", False), ("7", 7)])
def test_a_metrics_file_may_be_one_bare_value_and_zero_is_one(tmp_path: Path, text: str, value: float) -> None:
    project = make_project(tmp_path)
    project.write("metrics.json", text)

    for snapshot in both(project):
        assert snapshot.metrics == {"metrics.json": value}
        assert snapshot.problems == ()


UNREADABLE = {
    "gone": (None, "metrics.json: it is not there"),
    "empty": (b"", "metrics.json: JSON file structure is corrupted (Expecting value: line 1 column 1 (char 0))"),
    "no metric": (b'{"a": null, "b": []}', "metrics.json: there is no metric in it"),
    "long list": (json.dumps({"losses": [0.5] * 101}).encode(), "metrics.json: there is no metric in it"),
    "not UTF-8": (b'{"a": "\xff"}', "metrics.json: it is not valid utf-8 ('utf-8' codec can't decode byte 0xff"),
    "depth of 10,000": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "metrics.json: it nests deeper than 100 levels"),
    "depth of 101": (b'{"a":' * 101 + b"1" + b"}" * 101, "metrics.json: it nests deeper than 100 levels"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "metrics.json: only the pointer of Git LFS is there, not the file",
    ),
}


@pytest.mark.parametrize(("content", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_metrics_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None, said: str) -> None:
    project = make_project(tmp_path)
    (project.root / "metrics.json").unlink()
    if content is not None:
        (project.root / "metrics.json").write_bytes(content)

    for snapshot in both(project):
        assert snapshot.metrics == {}
        assert snapshot.params == PARAMS
        assert len(snapshot.problems) == 1
        assert snapshot.problems[0].startswith(said)
        assert "\n" not in snapshot.problems[0]


def test_a_hundred_levels_are_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("metrics.json", '{"a":' * 100 + "1" + "}" * 100)

    for snapshot in both(project):
        assert list(snapshot.metrics.values()) == [1]


def test_ten_megabytes_of_metrics_are_read_whole(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    metrics = {f"part{number}": {"value": number / 8} for number in range(300_000)}
    project.write("metrics.json", json.dumps(metrics))

    for snapshot in both(project):
        assert len(snapshot.metrics) == 300_000
        assert snapshot.metrics["metrics.json:part299999.value"] == 37499.875


def test_metrics_in_yaml_toml_and_of_top_level_sections_are_read(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("more/a.yaml", "deep: {er: {auc: 0.5}}\nday: 2024-01-01\n")
    project.write("more/b.toml", "[test]\nauc = 0.25\n")
    project.write("number.json", "0.75")
    append(project, "dvc.yaml", "metrics: [more/a.yaml, more/b.toml, number.json]\n")

    for snapshot in both(project):
        assert snapshot.metrics == {
            **METRICS,
            "more/a.yaml:deep.er.auc": 0.5,
            "more/a.yaml:day": "2024-01-01",
            "more/b.toml:test.auc": 0.25,
            "number.json": 0.75,
        }


def _with_cached_metrics(folder: Path) -> SampleProject:
    """Make a project whose metrics and plot are in DVC's cache and remote alone."""
    project = make_project(folder)
    project.replace("dvc.yaml", "[{metrics.json: {cache: false}}]", "[metrics.json]")
    project.replace("dvc.yaml", "{cache: false, x: x,", "{x: x,")
    dvc = DvcProject(project.root)
    project.git("rm", "-q", "--cached", "metrics.json", "plots/errors.csv")
    with dvc.session("commit") as repo:
        repo.commit(force=True)
    dvc.push()
    project.commit()
    project.git("push", "-q")
    return project


def test_metrics_and_plots_that_only_dvc_keeps_are_read_from_the_remote(tmp_path: Path) -> None:
    project = _with_cached_metrics(tmp_path)
    clone = project.clone("fresh")

    for revision in (None, "HEAD"):
        snapshot = take_snapshot(clone.root, revision)
        assert snapshot.metrics == METRICS
        assert snapshot.problems == ()
    for commit in (None, CommitId(clone.head())):
        (plot,) = DvcProject(clone.root).plots(commit)
        assert len(plot.sources[0].rows) == 20
    assert not (clone.root / "metrics.json").exists()


def test_metrics_that_no_place_has_are_said_with_the_place(tmp_path: Path) -> None:
    project = _with_cached_metrics(tmp_path)
    lost = project.clone("lost")
    shutil.rmtree(project.dvc_remote)
    project.dvc_remote.mkdir()
    without = project.clone("without")
    without.write(".dvc/config", "")
    without.commit()

    for revision in (None, "HEAD"):
        snapshot = take_snapshot(lost.root, revision)
        assert snapshot.metrics == {}
        assert snapshot.problems == ("metrics.json: neither this clone's cache nor the DVC remote `storage` has it",)
        assert take_snapshot(without.root, revision).problems == (
            "metrics.json: it is not in this clone's cache, and there is no default DVC remote",
        )
        (plot,) = DvcProject(lost.root).plots(None if revision is None else CommitId(lost.head()))
        assert plot.sources[0].problem == "neither this clone's cache nor the DVC remote `storage` has it"


# --- params ---


HOSTILE = {
    "alias bomb": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "its aliases stand for more than 1,000,000 values",
    ),
    "alias of itself": ("r: &r {a: *r}\n", "it nests deeper than 100 levels"),
    "depth of 3,000": ("deep: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n", "it nests deeper than 100 levels"),
    "a Python object": (
        "x: !!python/object/apply:os.mkdir ['pwned']\n",
        "could not determine a constructor for the tag",
    ),
    "one key twice": ("train: {}\n", 'found duplicate key "train"'),
}


@pytest.mark.parametrize("file", ["params.yaml", "dvc.yaml"])
@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_yaml_file_is_refused_by_name(tmp_path: Path, file: str, text: str, said: str) -> None:
    project = make_project(tmp_path)
    append(project, file, text if "train" not in text or file == "params.yaml" else "stages: {}\n")
    commit = project.commit()

    for revision in (None, commit):
        with pytest.raises(InvalidDvcFileError) as caught:
            take_snapshot(project.root, revision)
        assert caught.value.file == file
        assert said.replace('"train"', '"train"' if file == "params.yaml" else '"stages"') in caught.value.message
    assert not (project.root / "pwned").exists()


def test_aliases_within_bounds_mean_what_they_mean_in_dvc(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    append(project, "params.yaml", "base: &base {rate: 1}\nother: {<<: *base, more: *base}\n")

    for snapshot in both(project):
        assert snapshot.params == {
            **PARAMS,
            "params.yaml:base.rate": 1,
            "params.yaml:other.rate": 1,
            "params.yaml:other.more.rate": 1,
        }


def test_params_of_several_files_and_a_file_that_is_gone_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project.root / "params.yaml").unlink()
    project.write("more.toml", "[a]\nb = [1, 2]\n")
    append(project, "dvc.yaml", "params: [more.toml]\n")

    for snapshot in both(project):
        assert snapshot.params == {"more.toml:a.b": [1, 2]}
        assert snapshot.problems == ("params.yaml: it is not there",)


# --- templates, stages ---


def test_a_templated_pipeline_is_read_with_its_values(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("values.yaml", "regions: [north, south]\nsizes: {small: 1}\n")
    project.write(
        "dvc.yaml",
        """\
vars: [values.yaml, {out: made}]
stages:
  fit:
    foreach: ${regions}
    do: {cmd: "echo ${item} > ${out}/${item}", outs: ["${out}/${item}"]}
  grid:
    matrix: {region: "${regions}", size: [1, 2]}
    cmd: echo ${item.region} ${item.size} ${sizes.small}
    outs: ["${out}/${item.region}-${item.size}"]
  once:
    vars: [{name: mine}]
    frozen: true
    cmd: [echo a, "echo ${name}"]
    deps: ["${out}/north"]
""",
    )

    for snapshot in both(project):
        stages = {stage.name: stage for stage in snapshot.stages}
        assert list(stages) == [
            "fit@north", "fit@south", "grid@north-1", "grid@north-2", "grid@south-1", "grid@south-2", "once",
        ]  # fmt: skip
        assert stages["fit@south"].command == "echo south > made/south"
        assert stages["grid@north-2"].makes == ("made/north-2",)
        assert stages["once"].command == "echo a\necho mine"
        assert "once" not in snapshot.stale
        assert snapshot.params["values.yaml:sizes.small"] == 1


def test_several_pipelines_with_wdir_and_vars_are_one_project(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("sub/vars.yaml", "name: result\n")
    project.write("sub/params.yaml", "a: 1\n")
    project.write("sub/work/m.json", '{"auc": 0.5}')
    project.write(
        "sub/dvc.yaml",
        "vars: [vars.yaml]\nstages:\n  one:\n    wdir: work\n    cmd: touch ${name}\n    deps: [../../data/raw.csv]\n"
        "    params: [../params.yaml: [a]]\n    outs: ['${name}']\n    metrics: [{m.json: {cache: false}}]\n",
    )

    for snapshot in both(project):
        (stage,) = [stage for stage in snapshot.stages if stage.name == "sub/dvc.yaml:one"]
        assert stage.needs == ("data/raw.csv",)
        assert stage.params == ("sub/params.yaml:a",)
        assert stage.makes == ("sub/work/m.json", "sub/work/result")
        assert snapshot.metrics["sub/work/m.json:auc"] == 0.5
        assert snapshot.params["sub/params.yaml:a"] == 1
        assert snapshot.params["sub/vars.yaml:name"] == "result"


def test_a_renamed_stage_and_a_frozen_one_are_told(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    old = take_snapshot(project.root)
    project.replace("dvc.yaml", "  train:", "  fit:")
    project.replace("dvc.yaml", "    cmd: python3 src/prepare.py", "    frozen: true\n    cmd: python3 src/prepare.py")
    project.replace("params.yaml", "keep: 40", "keep: 30")

    before, after = both(project)

    for snapshot in (before, after):
        assert [(stage.name, stage.change) for stage in compare(old, snapshot).stages] == [
            ("fit", "added"),
            ("train", "removed"),
        ]
        assert snapshot.stale == ("fit", "evaluate")
    assert [file.digest for file in after.outputs if file.path == "models/model.json"] == [None]


# --- two projects, sub-folders ---


def _monorepo(folder: Path, *, dvc_root: str) -> SampleProject:
    """Make a Git repository with the projects ``teams/a`` and ``teams/b``; DVC's root is the folder `dvc_root`."""
    project = make_project(folder)
    for path in [path for path in project.root.iterdir() if path.name != ".git"]:
        project.git("rm", "-rq", "--cached", "--ignore-unmatch", path.name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    from dvc.repo import Repo

    (project.root / dvc_root).mkdir(parents=True, exist_ok=True)
    Repo.init(str(project.root / dvc_root), subdir=bool(dvc_root)).close()
    for team, auc in (("a", 0.5), ("b", 0.25)):
        at = f"teams/{team}"
        project.write(f"{at}/graphship.yaml", f"name: {team}\n")
        project.write(f"{at}/params.yaml", f"rate: {auc}\n")
        project.write(f"{at}/metrics.json", json.dumps({"auc": auc}))
        project.write(f"{at}/roc.csv", f"x,y\n1,{auc}\n")
        project.write(
            f"{at}/dvc.yaml",
            "stages:\n  train:\n    cmd: train\n    params: [rate]\n    metrics: [{metrics.json: {cache: false}}]\n"
            "plots:\n  - roc: {x: {roc.csv: x}, y: {roc.csv: y}}\n  - roc.csv\n",
        )
    return project


@pytest.mark.parametrize("dvc_root", ["", "teams"])
def test_two_projects_of_a_monorepo_know_nothing_of_each_other(tmp_path: Path, dvc_root: str) -> None:
    project = _monorepo(tmp_path, dvc_root=dvc_root)
    commit = CommitId(project.commit())

    for revision in (None, commit):
        for team, auc in (("a", 0.5), ("b", 0.25)):
            root = project.root / "teams" / team
            snapshot = take_snapshot(root, revision)
            assert snapshot.metrics == {"metrics.json:auc": auc}
            assert snapshot.params == {"params.yaml:rate": auc}
            assert [stage.name for stage in snapshot.stages] == ["train"]
            assert [file.path for file in snapshot.outputs] == ["metrics.json"]
            assert snapshot.problems == ()
            plots = DvcProject(root).plots(revision)
            assert [(plot.id, plot.sources[0].path, plot.sources[0].rows) for plot in plots] == [
                ("roc", "roc.csv", ({"x": "1", "y": str(auc)},)),
                ("roc.csv", "roc.csv", ({"x": "1", "y": str(auc)},)),
            ]


# --- plots ---


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


# --- names and places ---


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
    project = _with_cached_metrics(tmp_path)
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


# --- artifacts, and nothing at all ---


def test_an_empty_pipeline_and_declared_artifacts_are_fine(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("dvc.yaml", "artifacts:\n  m: {path: models/model.json, type: model, labels: [a]}\n")

    for snapshot in both(project):
        assert snapshot.stages == ()
        assert snapshot.outputs == ()
        assert [file.path for file in snapshot.data] == ["data/raw.csv"]
        assert snapshot.params == PARAMS
        assert snapshot.problems == ()
