"""What graphship says of two commits equals what plain DVC says, value by value."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.projects import run_git
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e import by_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from examples.build import Example

pytestmark = pytest.mark.e2e

PAIRS = [("first", "more-data"), ("more-data", "change"), ("main", "change"), ("change", "first")]


@contextlib.contextmanager
def plain_dvc(example: Example) -> Iterator[Any]:
    """Open DVC as its own commands do: in the project's folder."""
    from dvc.repo import Repo

    with contextlib.chdir(example.root), Repo() as repo:
        yield repo


def graphship(root: Path, *arguments: str) -> Any:
    done = by_command.run((*arguments, "--json"), folder=root)
    done.check_returncode()
    return json.loads(done.stdout)


def own(example: Example, path: str) -> str | None:
    """Return a path that DVC writes relative to the repository as one of the project; None for another project's."""
    prefix = example.root.relative_to(example.repository.root).as_posix()
    start = "" if prefix == "." else f"{prefix}/"
    return path.removeprefix(start).rstrip("/") if path.startswith(start) else None


def own_values(example: Example, files: dict[str, Any]) -> dict[str, Any]:
    """Return DVC's ``file → key → value`` as we write it: ``file:key → value``."""
    return {f"{own(example, file)}:{key}": value for file, keys in files.items() if own(example, file)
            for key, value in keys.items()}  # fmt: skip


def flat(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two commits of an example, and what ``graphship diff --json`` says of them."""

    example: Example
    base: str
    head: str
    diff: Any


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def compared(example: Example, request: pytest.FixtureRequest) -> Compared:
    """Each pair of commits, compared once for all tests."""
    base, head = (example.commits[label] for label in request.param)
    return Compared(example=example, base=base, head=head, diff=graphship(example.root, "diff", base, head))


def test_metrics_and_params_of_two_commits_equal_those_of_dvc(compared: Compared) -> None:
    example, base, head, diff = compared.example, compared.base, compared.head, compared.diff

    with plain_dvc(example) as repo:
        metrics = own_values(example, repo.metrics.diff(a_rev=base, b_rev=head, all=True).get("diff", {}))
        params = own_values(example, repo.params.diff(a_rev=base, b_rev=head).get("diff", {}))

    assert {one["key"]: (one["old"], one["new"]) for one in diff["metrics"]} == {
        key: (value.get("old"), value.get("new")) for key, value in metrics.items()
    }
    assert {one["key"]: one["difference"] for one in diff["metrics"] if one["difference"] is not None} == {
        key: value["diff"] for key, value in metrics.items() if "diff" in value
    }
    assert {one["key"]: (_as_dvc(one["old"]), _as_dvc(one["new"])) for one in diff["params"]} == {
        key: (value.get("old"), value.get("new")) for key, value in params.items()
    }


def _as_dvc(value: Any) -> Any:
    """Return a value as DVC's comparison has it, which writes lists as text."""
    return str(value) if isinstance(value, list) else value


def test_files_that_two_commits_keep_differ_as_dvc_says(compared: Compared) -> None:
    example, base, head, diff = compared.example, compared.base, compared.head, compared.diff

    with plain_dvc(example) as repo:
        files = repo.diff(a_rev=base, b_rev=head)

    ours = {(one["path"], one["change"]): one for one in (*diff["data"], *diff["outputs"])}
    told = set()
    for kind, change in (("added", "added"), ("modified", "changed"), ("deleted", "removed"), ("renamed", "renamed")):
        for one in files[kind]:
            path = own(example, one["path"])
            if path is None or _is_in_a_folder(one, files):
                continue
            mine = ours[path, change]
            told.add((path, change))
            found = [digest.removeprefix("md5:") for digest in (mine["old_digest"], mine["new_digest"]) if digest]
            assert found == (list(one["hash"].values()) if isinstance(one["hash"], dict) else [one["hash"]])
    in_git = {name for commit in (base, head) for name in _files_of_git(example, commit)}
    assert all(any(f"{name}/".startswith(f"{path}/") for name in in_git) for path, _ in ours.keys() - told)


def _files_of_git(example: Example, commit: str) -> list[str]:
    return run_git(example.root, "ls-tree", "-r", "--name-only", commit).splitlines()


def _is_in_a_folder(one: dict[str, Any], files: dict[str, list[dict[str, Any]]]) -> bool:
    folders = [other["path"] for kind in files.values() for other in kind if other["path"].endswith("/")]
    return any(one["path"] != folder and one["path"].startswith(folder) for folder in folders)


def test_plots_of_two_commits_have_the_rows_that_dvc_reads(example: Example) -> None:
    base, head = CommitId(example.commits["more-data"]), CommitId(example.commits["change"])
    ours = DvcProject(example.root)

    with plain_dvc(example) as repo:
        theirs = repo.plots.diff(revs=[base, head])

    for commit in (base, head):
        plots = ours.plots(commit)
        definitions = theirs[commit]["definitions"]["data"]
        declared = {
            plot_id: properties for file in definitions.values() for plot_id, properties in file["data"].items()
        }
        assert {plot.id: dict(plot.properties) for plot in plots} == declared
        assert plots
        sources = theirs[commit]["sources"]["data"]
        for source in (source for plot in plots for source in plot.sources):
            expected = sources[source.path]["data"]
            assert source.problem is None
            assert source.image == expected if isinstance(expected, bytes) else list(source.rows) == expected


def test_the_work_tree_differs_as_dvc_data_status_says(example: Example) -> None:
    clone = example.repository.clone("edited")
    root = example.at(clone)
    DvcProject(root).pull()
    (data,) = [file.path for file in DvcProject(root).read().data]
    (root / data).write_text("a,b\n1,2\n")
    output = next(
        file.path
        for file in DvcProject(root).read().outputs
        if file.path in {"model.json", "models/features.json", "model/out/north.json"}
    )
    os.unlink(root / output)  # noqa: PTH108 - DVC may have made it read-only
    (root / output).write_text("{}")

    diff = graphship(root, "diff", "HEAD")
    with contextlib.chdir(root):
        status = subprocess.run(
            [sys.executable, "-m", "dvc", "data", "status", "--json"], capture_output=True, text=True, check=True
        )
    theirs = sorted(own(example, path) or "" for path in json.loads(status.stdout)["uncommitted"]["modified"])

    assert sorted(one["path"] for one in (*diff["data"], *diff["outputs"]) if one["change"] == "changed") == theirs
    assert sorted([data, output]) == theirs


def test_a_snapshot_of_a_commit_has_what_dvc_shows_of_it(example: Example) -> None:
    commit = example.commits["change"]

    snapshot = graphship(example.root, "snapshot", "--rev", commit)
    with plain_dvc(example) as repo:
        metrics = repo.metrics.show(revs=[commit])[commit]["data"]
        params = repo.params.show(revs=[commit])[commit]["data"]

    for ours, theirs in ((snapshot["metrics"], metrics), (snapshot["params"], params)):
        contents = {file: dict(flat(content["data"])) for file, content in theirs.items()}
        assert ours == own_values(example, contents)
