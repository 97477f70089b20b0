from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.render import render_junit
from ci_core.reports.report import Commit, Gate, Note, Pipeline, Report, Stage, StageFailure
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_edges import huge_report, minimal_report, unchanged_report, unreadable_base_report
from ci_core.testing.sample_reports import sample_failed_report, sample_report

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"
SAMPLES: list[Callable[[], Report]] = [
    sample_report,
    sample_failed_report,
    minimal_report,
    unchanged_report,
    unreadable_base_report,
    lambda: huge_report(50),
]
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out", "system-err"],
    "testcase": ["skipped", "error", "failure", "system-out", "system-err"],
    "skipped": [],
    "error": [],
    "failure": [],
    "system-out": [],
}
"""What may stand in what, in this order, as in the schema that Jenkins publishes for its JUnit plugin."""
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name", "classname"}}
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id"},
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "skipped": {"type", "message"},
    "error": {"type", "message"},
    "failure": {"type", "message"},
    "system-out": set[str](),
}


def report_of(gates: tuple[Gate, ...], pipeline: Pipeline | None = None) -> Report:
    return Report(project="p", verdict="pass", head=Commit(id="a" * 40, label="x"), gates=gates, pipeline=pipeline)


def test_gates_are_as_reviewed() -> None:
    assert_golden(GOLDEN / "gates.xml", render_junit(sample_report()))


def test_failed_stage_is_an_error_beside_the_gates() -> None:
    assert_golden(GOLDEN / "gates-failed.xml", render_junit(sample_failed_report()))


@pytest.mark.parametrize("make", SAMPLES)
def test_elements_and_attributes_are_those_of_the_common_schema(make: Callable[[], Report]) -> None:
    root = ET.fromstring(render_junit(make()))

    assert root.tag == "testsuites"
    for element in root.iter():
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib) <= ALLOWED[element.tag]
        places = [CHILDREN[element.tag].index(child.tag) for child in element]
        assert places == sorted(places)


@pytest.mark.parametrize("make", SAMPLES)
def test_counts_are_those_of_the_cases(make: Callable[[], Report]) -> None:
    root = ET.fromstring(render_junit(make()))

    for suite in (root, *root):
        assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(suite.iter("error")))
        assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))


def test_a_warning_passes_and_says_so() -> None:
    gate = Gate(key="auc", state="warn", old=0.5, new=0.4, sentence="`auc` fell by 0.1")

    case = ET.fromstring(render_junit(report_of((gate,))))[0][0]

    assert [(child.tag, child.text) for child in case] == [
        ("system-out", "warning: `auc` fell by 0.1\nbefore 0.5000, after 0.4000")
    ]


def test_names_of_cases_do_not_depend_on_what_came_of_them() -> None:
    def names(state: str) -> list[tuple[str, str]]:
        gate = Gate.model_validate({"key": "metrics.json:auc", "state": state, "sentence": state})
        stage = Stage.model_validate({"name": "train", "state": "failed" if state == "fail" else "ran", "seconds": 2})
        root = ET.fromstring(render_junit(report_of((gate,), Pipeline(stages=(stage,)))))
        return [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]

    always = ("report", "no error beside gates and stages")
    assert names("fail") == names("pass") == [("gates", "metrics.json:auc"), ("pipeline", "train"), always]


def test_what_else_went_wrong_is_one_error_that_tells_all_of_it() -> None:
    notes = (
        Note(kind="error", text="the head's graph cannot be loaded: `answr` is not defined"),
        Note(kind="error", text="do not merge yet"),
        Note(kind="warning", text="a warning"),
        Note(kind="info", text="a remark"),
    )

    root = ET.fromstring(render_junit(report_of(()).model_copy(update={"notes": notes})))

    assert (root.attrib["tests"], root.attrib["errors"]) == ("1", "1")
    (error,) = root.iter("error")
    assert error.attrib == {"message": "the head's graph cannot be loaded: `answr` is not defined", "type": "report"}
    assert error.text == "the head's graph cannot be loaded: `answr` is not defined\ndo not merge yet"


def test_a_report_with_warnings_alone_has_no_error() -> None:
    notes = (Note(kind="warning", text="a warning"), Note(kind="info", text="a remark"))

    root = ET.fromstring(render_junit(report_of(()).model_copy(update={"notes": notes})))

    assert [(case.attrib["classname"], len(case)) for case in root.iter("testcase")] == [("report", 0)]


def test_stages_tell_their_time_and_what_became_of_them() -> None:
    stages = (
        Stage(name="a", state="ran", seconds=1.25, reason="params x"),
        Stage(name="b", state="cached", seconds=0.1),
        Stage(name="c", state="skipped"),
        Stage(name="d", state="failed", seconds=3),
        Stage(name="e", state="not-run"),
    )
    failure = StageFailure(stage="d", command="python d.py", exit_code=3, tail="one\ntwo")

    suite = ET.fromstring(render_junit(report_of((), Pipeline(stages=stages, failure=failure))))[1]

    assert suite.attrib["time"] == "4.350"
    assert [(case.attrib["name"], case.attrib["time"], [child.tag for child in case]) for case in suite] == [
        ("a", "1.250", ["system-out"]),
        ("b", "0.100", ["system-out"]),
        ("c", "0.000", ["skipped"]),
        ("d", "3.000", ["error"]),
        ("e", "0.000", ["skipped"]),
    ]
    assert suite[3][0].attrib["message"] == "the stage failed with exit code 3"
    assert suite[3][0].text == "$ python d.py\none\ntwo"


@given(
    st.text(alphabet=st.characters() | st.sampled_from("\x00\x08\x0b\x0c\x1f\x7f\x85\ud800\udfff\ufffe\uffff&<>\"'"))
)
def test_any_name_gives_readable_xml(name: str) -> None:
    gate = Gate(key=name, state="fail", old=name, sentence=name, limit=name)
    failure = StageFailure(stage=name, command=name, tail=name)
    report = report_of((gate,), Pipeline(stages=(Stage(name=name, state="failed"),), failure=failure))

    xml = render_junit(report.model_copy(update={"project": name, "notes": (Note(kind="error", text=name),)}))

    root = ET.fromstring(xml.encode())
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("3", "1", "2")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", xml)
