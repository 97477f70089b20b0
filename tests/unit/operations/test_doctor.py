from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ci_core.cli.doctor import findings_text
from ci_core.errors import GraphshipError, NoCommitYetError, NotADvcProjectError, NotARepositoryError
from ci_core.operations.doctor import Doctor, Finding, _check_graph
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = "name: churn\n"

REFERENCE = "https://github.com/graphship/graphship/blob/main/docs/reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRepository:
    branch_name: str | None = "main"
    shallow: bool = False
    committed: bytes | None = CONFIG.encode()
    error: GraphshipError | None = None

    def head(self) -> CommitId:
        if self.error is not None:
            raise self.error
        return CommitId("1" * 40)

    def branch(self) -> str | None:
        return self.branch_name

    def is_shallow(self) -> bool:
        return self.shallow

    def read_file(self, revision: str, path: str) -> bytes | None:
        assert (revision, path) == ("HEAD", "graphship.yaml")
        return self.committed


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeData:
    name: str | None = "storage (s3://bucket)"

    def remote(self) -> str | None:
        return self.name


@dataclass(slots=True, kw_only=True)
class Patient:
    """A healthy project; each test makes it ill in one way."""

    root: Path
    repository: FakeRepository = field(default_factory=FakeRepository)
    data: FakeData | GraphshipError = field(default_factory=FakeData)
    absent: frozenset[str] = frozenset()
    unwritable: frozenset[str] = frozenset()
    env: dict[str, str] = field(default_factory=dict)
    check_graph: Callable[[str, Path], None] = lambda _reference, _root: None

    def open_data(self, _root: Path) -> FakeData:
        if isinstance(self.data, GraphshipError):
            raise self.data
        return self.data

    def slugs(self) -> list[str]:
        return [finding.slug for finding in self.findings()]

    def findings(self) -> tuple[Finding, ...]:
        doctor = Doctor(
            open_git=lambda _folder: self.repository,
            open_dvc=self.open_data,
            has_module=lambda name: name not in self.absent,
            is_writable=lambda folder: folder.name not in self.unwritable,
            check_graph=self.check_graph,
        )
        return doctor.examine(self.root, self.env)


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    (tmp_path / "graphship.yaml").write_text(CONFIG)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    return Patient(root=tmp_path)


def reconfigure(patient: Patient, text: str) -> None:
    (patient.root / "graphship.yaml").write_text(text)
    patient.repository = FakeRepository(committed=text.encode())


def test_a_healthy_project_has_no_findings(patient: Patient) -> None:
    assert patient.findings() == ()


def test_an_empty_folder_is_told_what_to_do_first(tmp_path: Path) -> None:
    patient = Patient(
        root=tmp_path,
        repository=FakeRepository(error=NotARepositoryError(path="/p")),
        data=NotADvcProjectError(path="/p"),
    )

    assert patient.slugs() == ["not-a-repository", "not-a-project", "not-a-dvc-project", "no-pipeline"]
    assert all(finding.hint for finding in patient.findings())


def test_a_repository_without_a_commit_is_a_finding(patient: Patient) -> None:
    patient.repository = FakeRepository(error=NoCommitYetError(path="/p"))

    assert patient.slugs() == ["no-commit-yet"]


def test_a_detached_head_and_a_shallow_clone_are_findings(patient: Patient) -> None:
    patient.repository = FakeRepository(branch_name=None, shallow=True)

    assert patient.slugs() == ["detached-head", "shallow-clone"]


@pytest.mark.parametrize("variable", ["GRAPHSHIP_BRANCH", "CI_BRANCH"])
def test_a_detached_head_does_not_matter_when_a_variable_names_the_branch(patient: Patient, variable: str) -> None:
    patient.repository = FakeRepository(branch_name=None)
    patient.env = {variable: "main"}

    assert patient.slugs() == []


def test_each_mistake_of_a_graph_file_is_a_finding_with_its_place(patient: Patient) -> None:
    reconfigure(patient, "name: churn\ngraph: graph.yaml\n")
    (patient.root / "graph.yaml").write_text("name: g\nfiles: [/etc/passwd]\nsteps:\n  - stp: Impute\n")
    patient.check_graph = _check_graph

    graph = [finding for finding in patient.findings() if finding.slug == "invalid-graph-file"]

    assert [(finding.where, finding.hint) for finding in graph] == [
        ("graph.yaml:4, steps[0].stp", "did you mean `step`?"),
        ("graph.yaml:4, steps[0]", f"the keys and their types: {REFERENCE}/graph-yaml.md"),
        ("graph.yaml:2, files[0]", "name a file in the project, relative to its folder"),
    ]


def test_each_mistake_of_the_configuration_is_a_finding_with_its_place(patient: Patient) -> None:
    reconfigure(patient, "name: churn\nmonitr: {}\ncapture: 3\n")

    assert patient.findings() == (
        Finding(
            slug="invalid-config",
            fact="unknown key `monitr`",
            where="graphship.yaml:2, monitr",
            hint="did you mean `monitor`?",
        ),
        Finding(
            slug="invalid-config",
            fact="expected a mapping, found the number `3`",
            where="graphship.yaml:3, capture",
            hint=f"the keys and their types: {REFERENCE}/graphship-yaml.md",
        ),
    )


@pytest.mark.parametrize(
    ("committed", "fact"),
    [
        (None, "`graphship.yaml` is in no commit, so CI does not see it"),
        (b"name: old\n", "`graphship.yaml` differs from the last commit, and CI sees the committed one"),
    ],
)
def test_a_configuration_that_ci_will_not_see_is_a_finding(
    patient: Patient, committed: bytes | None, fact: str
) -> None:
    patient.repository = FakeRepository(committed=committed)

    assert [(finding.slug, finding.fact) for finding in patient.findings()] == [("uncommitted-config", fact)]


def test_a_missing_pipeline_and_a_missing_remote_are_findings(patient: Patient) -> None:
    (patient.root / "dvc.yaml").unlink()
    patient.data = FakeData(name=None)

    assert patient.slugs() == ["no-data-remote", "no-pipeline"]


def test_a_pipeline_file_that_cannot_be_read_is_a_finding(patient: Patient) -> None:
    (patient.root / "dvc.yaml").write_text("stages:\n\ta: {}\n")

    (finding,) = patient.findings()

    assert finding.fact == (
        "`dvc.yaml` cannot be read: dvc.yaml:2: the line is indented with a tab, which YAML does not allow"
    )


def test_without_its_own_libraries_doctor_says_only_that(patient: Patient) -> None:
    patient.absent = frozenset({"pydantic"})
    reconfigure(patient, "nme: churn\n")

    (finding,) = patient.findings()

    assert finding.slug == "missing-extra"
    assert extra_in(finding.hint) == "ci"


def test_an_extra_is_missing_only_when_the_settings_need_it(patient: Patient) -> None:
    patient.absent = frozenset({"granian", "duckdb", "dvc"})
    (patient.root / "g.py").write_text("")
    (patient.root / "d.parquet").write_text("")

    before = [finding.hint for finding in patient.findings()]
    reconfigure(patient, "name: churn\ngraph: g.py:graph\nmonitor: {reference: d.parquet}\n")
    after = [finding.hint for finding in patient.findings()]

    assert [extra_in(hint) for hint in before] == ["dvc"]
    assert [extra_in(hint) for hint in after] == ["dvc", "serve", "monitor"]


def extra_in(hint: str | None) -> str:
    """The extra that `pip install '…[extra]'` names."""
    return str(hint).partition("[")[2].partition("]")[0]


def test_a_capture_folder_that_cannot_be_written_is_a_finding(patient: Patient) -> None:
    (patient.root / "g.py").write_text("")
    (patient.root / "locked").mkdir()
    reconfigure(patient, "name: churn\ngraph: g.py:graph\ncapture: {to: locked/captures}\n")
    patient.unwritable = frozenset({"locked"})

    (finding,) = patient.findings()

    assert (finding.slug, finding.where) == ("capture-folder", "graphship.yaml:3, capture.to")
    assert finding.fact == f"model calls cannot be written down: `{patient.root}/locked` is not writable"


def test_a_capture_folder_below_a_file_is_a_finding(patient: Patient) -> None:
    (patient.root / "g.py").write_text("")
    reconfigure(patient, "name: churn\ngraph: g.py:graph\ncapture: {to: g.py/captures}\n")

    (finding,) = patient.findings()

    assert finding.fact == f"model calls cannot be written down: `{patient.root}/g.py` is not a folder"


def test_findings_are_numbered_in_the_order_to_mend_them() -> None:
    findings = (
        Finding(slug="no-commit-yet", fact="the repository has no commit yet", where="/p", hint="commit"),
        Finding(slug="no-pipeline", fact="bad \x1b[31m name"),
    )

    assert findings_text(findings) == (
        "2 findings, in the order to mend them:\n"
        "\n"
        "1. no-commit-yet: the repository has no commit yet\n"
        "   --> /p\n"
        "   hint: commit\n"
        "\n"
        "2. no-pipeline: bad \\x1b[31m name"
    )


def test_no_finding_is_told_in_words() -> None:
    assert findings_text(()) == "nothing is missing"
