"""Gates as JUnit XML, which every CI system shows as tests (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ci_core.reports.text import pair, shorten, visible

if TYPE_CHECKING:
    from ci_core.reports.report import Gate, Report, StageFailure

_LONGEST = 2_000


def to_junit(report: Report) -> str:
    """Return one test case a gate, and one for the pipeline when a stage failed (as an error, not a failure).

    A warning passes and says so in its output: JUnit has no third colour.
    """
    suite = ET.Element("testsuite", name=f"graphship {_text(report.project)}")
    for gate in report.gates:
        _gate(suite, gate)
    failure = report.pipeline.failure if report.pipeline else None
    if failure is not None:
        _failure(suite, failure)
    suite.set("tests", str(len(report.gates) + (failure is not None)))
    suite.set("failures", str(sum(gate.state == "fail" for gate in report.gates)))
    suite.set("errors", str(int(failure is not None)))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _gate(suite: ET.Element, gate: Gate) -> None:
    case = ET.SubElement(suite, "testcase", classname="gates", name=_text(gate.key))
    old, new = pair(gate.old, gate.new)
    facts = f"before {old}, after {new}" + (f", rule: {gate.limit}" if gate.limit else "")
    if gate.state == "fail":
        failure = ET.SubElement(case, "failure", message=_text(gate.sentence or facts), type="gate")
        failure.text = _text(facts)
    else:
        output = f"warning: {gate.sentence or facts}" if gate.state == "warn" else facts
        ET.SubElement(case, "system-out").text = _text(output)


def _failure(suite: ET.Element, failure: StageFailure) -> None:
    case = ET.SubElement(suite, "testcase", classname="pipeline", name=_text(failure.stage))
    code = "" if failure.exit_code is None else f" with exit code {failure.exit_code}"
    error = ET.SubElement(case, "error", message=f"the stage failed{code}", type="stage")
    error.text = visible(failure.tail[-_LONGEST:], keep_lines=True)


def _text(text: str) -> str:
    return visible(shorten(text, _LONGEST))
