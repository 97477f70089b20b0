"""Pickled files that a change brings are looked through, wherever real Git and DVC projects keep them."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.operations.comparison import PARTS
from ci_core.operations.report import report_revisions
from ci_core.testing.projects import run_git
from tests.e2e.gates.judged_project import clone_without_data, folder_of_models, gates, judged, result, serving
from tests.e2e.opened import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.testing.projects import SampleProject

pytestmark = pytest.mark.e2e


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def _with_pickle(sample: SampleProject, path: str) -> None:
    target = sample.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pickle.dumps(Evil()))


def _added_to_dvc(sample: SampleProject) -> None:
    _with_pickle(sample, "data/new.pkl")
    opened(sample.root).dvc.add(["data/new.pkl"])


def _in_a_folder_of_dvc(sample: SampleProject) -> None:
    _with_pickle(sample, "more/deep/new.pkl")
    opened(sample.root).dvc.add(["more"])


@pytest.mark.parametrize("is_checked_out", [True, False])
@pytest.mark.parametrize(
    ("path", "bring"),
    [
        ("new.pkl", lambda sample: _with_pickle(sample, "new.pkl")),
        ("data/new.pkl", _added_to_dvc),
        ("more/deep/new.pkl", _in_a_folder_of_dvc),
    ],
)
def test_pickles_that_a_change_brings_are_looked_through_wherever_they_are_kept(
    sample: SampleProject, path: str, bring: Callable[[SampleProject], None], *, is_checked_out: bool
) -> None:
    base = sample.head()
    bring(sample)
    head = sample.commit("a pickle")
    if not is_checked_out:
        sample.git("checkout", "-q", base)
        run_git(sample.root, "clean", "-fdxq", "--exclude=.dvc/cache")

    found = result(judged(sample, base, None if is_checked_out else head), "pickle-scan")

    assert (found.state, found.sentence) == ("warn", f"`{path}` would run `posix.system`")


def test_a_written_scan_fails_and_names_a_model_of_the_graph_that_is_not_here(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    _with_pickle(sample, "evil.bin")

    found = result(judged(sample, base, graph=serving("evil.bin", "models/gone.pkl")), "pickle-scan")

    assert found.state == "fail"
    assert found.sentence == (
        "`evil.bin` would run `posix.system`; "
        "not looked through: `models/gone.pkl` (it is neither in the work tree nor in the cache)"
    )


def test_a_commit_that_is_checked_out_is_not_judged_by_other_data_that_lies_there(sample: SampleProject) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}", "model-size: {max: 1 kB}"))
    base = sample.commit("two gates")
    project = opened(sample.root)
    _with_pickle(sample, "models/new.pkl")
    project.dvc.add(["models/new.pkl"])
    size = (sample.root / "models/new.pkl").stat().st_size
    head = sample.commit("an evil model")
    # as after `git checkout` without `dvc checkout`
    (sample.root / "models/new.pkl").unlink()
    (sample.root / "models/new.pkl").write_bytes(pickle.dumps("harmless"))

    found = judged(sample, base, head, graph=serving("models/new.pkl"))

    assert result(found, "pickle-scan").sentence == "`models/new.pkl` would run `posix.system`"
    assert result(found, "model-size").new == size
    assert result(judged(sample, base, graph=serving("models/new.pkl")), "pickle-scan").state == "pass"


def test_a_report_on_the_checked_out_commit_reads_no_other_data(sample: SampleProject) -> None:
    base = sample.head()
    _added_to_dvc(sample)
    sample.commit("an evil model")
    (sample.root / "data/new.pkl").unlink()
    (sample.root / "data/new.pkl").write_bytes(pickle.dumps("harmless"))
    project = opened(sample.root)

    report = report_revisions(project, base, "HEAD", without=PARTS)

    assert [gate.key for gate in report.gates if gate.state == "warn"] == ["pickle-scan"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_folder_that_cannot_be_listed_is_told_to_be_not_looked_through(
    sample: SampleProject, *, is_recorded: bool
) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    folder_of_models(sample)
    if not is_recorded:
        lines = (sample.root / "more.dvc").read_text().splitlines()
        sample.write("more.dvc", "\n".join(line for line in lines if "size" not in line and "nfiles" not in line))
    head = sample.commit("as old versions of DVC wrote it") if not is_recorded else sample.head()

    found = result(judged(clone_without_data(sample), base, head), "pickle-scan")

    assert (found.state, found.sentence) == ("warn", "not looked through: `more` (DVC could not read `more`)")


def test_a_folder_of_too_many_files_is_told(sample: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_core.operations.judging._MOST_INSIDE", 1)
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    (sample.root / "more").mkdir()
    (sample.root / "more/a.txt").write_text("a")
    folder_of_models(sample)

    found = result(judged(sample, base), "pickle-scan")

    assert found.sentence == "not looked through: `more` (only 1 of its files are)"


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_a_model_that_is_a_link_elsewhere_fails_a_written_scan(sample: SampleProject, *, is_a_commit: bool) -> None:
    (sample.root.parent / "evil.txt").write_bytes(pickle.dumps(Evil()))
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    base = sample.commit("a scan")
    (sample.root / "model.bin").symlink_to("../evil.txt")
    head = sample.commit("a link")

    found = result(judged(sample, base, head if is_a_commit else None, graph=serving("model.bin")), "pickle-scan")

    assert found.state == "fail"
    assert found.sentence.startswith("`model.bin` cannot be looked through: it is a ")


def test_a_large_file_in_a_commit_is_not_read_at_once(sample: SampleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_core.gates.files_at._MAX_BLOB_BYTES", 1000)
    base = sample.head()
    sample.write("model.pkl", "x" * 1001)
    head = sample.commit("a large model")

    found = result(judged(sample, base, head), "pickle-scan")

    assert found.sentence == (
        "`model.pkl` cannot be looked through: it has 1,001 bytes, and files in Git of more than 1,000 are not read"
    )


@pytest.mark.parametrize("is_a_commit", [True, False])
def test_pickles_that_a_change_removes_are_not_missed(sample: SampleProject, *, is_a_commit: bool) -> None:
    sample.write("graphship.yaml", gates("pickle-scan: {}"))
    _with_pickle(sample, "gone.pkl")
    base = sample.commit("a pickle")
    sample.git("rm", "-q", "gone.pkl")
    head = sample.commit("none")

    found = result(judged(sample, base, head if is_a_commit else None), "pickle-scan")

    assert (found.state, found.sentence) == ("pass", "no pickled files")
