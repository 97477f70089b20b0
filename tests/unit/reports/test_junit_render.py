from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.render import render_junit
from ci_core.reports.report import Commit, Gate, Report
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_reports import sample_failed_report, sample_report

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"


def test_gates_are_as_reviewed() -> None:
    assert_golden(GOLDEN / "gates.xml", render_junit(sample_report()))


def test_failed_stage_is_an_error_beside_the_gates() -> None:
    assert_golden(GOLDEN / "gates-failed.xml", render_junit(sample_failed_report()))


@given(st.text())
def test_any_name_gives_readable_xml(name: str) -> None:
    gate = Gate(key=name, state="fail", old=name, sentence=name)
    report = Report(project=name, verdict="fail", head=Commit(id="a" * 40, label="x"), gates=(gate,))

    suite = ET.fromstring(render_junit(report).encode())[0]

    assert suite.attrib["failures"] == "1"
    assert len(suite) == 1
