"""Gates and stages as JUnit XML, which every CI system shows as tests (pure).

One suite of gates, one of the pipeline's stages, and one of a single test: that nothing else went wrong. JUnit has no
third colour: a gate that warns passes, and says so in its output. A stage that failed is an error, not a failure:
nobody judged it. So is a serving graph that cannot be loaded. Names are the gates' keys and the stages' names, so that
a CI system can follow one from run to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ci_core.reports.text import pair, seconds, shorten, signed, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.reports.report import Annotation, Gate, Note, Report, Stage, StageFailure

_LONGEST = 2_000
_NO_ERROR = "no error beside gates and stages"
_COUNTS = ("tests", "failures", "errors", "skipped")
_STAGE_WORDS = {"skipped": "nothing it depends on moved", "not-run": "an earlier stage failed"}


def to_junit(report: Report) -> str:
    """Return the gates, the pipeline's stages when there is a pipeline, and what else went wrong, as XML."""
    root = ET.Element("testsuites", name=_text(f"graphship {report.project}"))
    gates = _suite(root, f"graphship gates of {report.project}")
    for gate in report.gates:
        _gate(gates, gate, [line for line in report.annotations if line.gate == gate.key])
    pipeline = report.pipeline
    if pipeline is not None and (pipeline.stages or pipeline.failure):
        stages = _suite(root, f"graphship pipeline of {report.project}")
        for stage in pipeline.stages:
            failed = pipeline.failure if pipeline.failure and pipeline.failure.stage == stage.name else None
            _stage(stages, stage, failed)
        if pipeline.failure and not any(stage.name == pipeline.failure.stage for stage in pipeline.stages):
            _error(_case(stages, "pipeline", pipeline.failure.stage), pipeline.failure)
    _report(_suite(root, f"graphship report of {report.project}"), report.notes)
    for suite in root:
        _count(suite)
    for name in _COUNTS:
        root.set(name, str(sum(int(suite.attrib[name]) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=_text(name))


def _count(suite: ET.Element) -> None:
    counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    for name, path in {**counts, "skipped": "testcase/skipped"}.items():
        suite.set(name, str(len(suite.findall(path))))
    suite.set("time", f"{sum(float(case.get('time', 0)) for case in suite):.3f}")


def _case(suite: ET.Element, kind: str, name: str, duration_s: float | None = None) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=kind, name=_text(name), time=f"{duration_s or 0:.3f}")


def _gate(suite: ET.Element, gate: Gate, lines: Sequence[Annotation]) -> None:
    case = _case(suite, "gates", gate.key)
    facts = "\n".join(_facts(gate, lines))
    if gate.state == "fail":
        failure = ET.SubElement(case, "failure", message=_text(gate.sentence or "the gate failed"), type="gate")
        failure.text = facts
    else:
        ET.SubElement(case, "system-out").text = facts


def _facts(gate: Gate, lines: Sequence[Annotation]) -> list[str]:
    old, new = pair(gate.old, gate.new)
    facts = [f"warning: {_text(gate.sentence)}" if gate.state == "warn" else _text(gate.sentence)]
    facts.append(_text(f"before {old}, after {new}") if gate.old is not None or gate.new is not None else "")
    if gate.interval is not None:
        interval = f"{signed(gate.interval.low)} to {signed(gate.interval.high)}"
        facts.append(f"difference {signed(gate.interval.value)} (95 %: {interval})")
    facts.append("within noise" if gate.is_within_noise else "")
    facts.append(_text(f"rule: {gate.limit}") if gate.limit else "")
    for line in lines:
        place = line.where.file if line.where.line is None else f"{line.where.file}:{line.where.line}"
        facts.append(_text(f"{place}: {line.text}"))
    return [fact for fact in facts if fact] or [gate.state]


def _stage(suite: ET.Element, stage: Stage, failure: StageFailure | None) -> None:
    case = _case(suite, "pipeline", stage.name, stage.seconds)
    if failure is not None:
        _error(case, failure)
    elif stage.state == "failed":
        ET.SubElement(case, "error", message="the stage failed", type="stage")
    elif stage.state in _STAGE_WORDS:
        ET.SubElement(case, "skipped", message=_STAGE_WORDS[stage.state])
    else:
        took = f" in {seconds(stage.seconds)}" if stage.seconds is not None else ""
        done = "its outputs came from the run cache" if stage.state == "cached" else f"ran{took}"
        ET.SubElement(case, "system-out").text = _text(f"{done}: {stage.reason}" if stage.reason else done)


def _error(case: ET.Element, failure: StageFailure) -> None:
    code = "" if failure.exit_code is None else f" with exit code {failure.exit_code}"
    error = ET.SubElement(case, "error", message=f"the stage failed{code}", type="stage")
    command = f"$ {_text(failure.command)}\n" if failure.command else ""
    error.text = command + visible(failure.tail[-_LONGEST:], keep_lines=True)


def _report(suite: ET.Element, notes: Sequence[Note]) -> None:
    """Add the test that there are no errors, with all that there are: JUnit has one for a test."""
    case = _case(suite, "report", _NO_ERROR)
    errors = [_text(note.text) for note in notes if note.kind == "error"]
    if errors:
        ET.SubElement(case, "error", message=errors[0], type="report").text = "\n".join(errors)


def _text(text: str) -> str:
    return visible(shorten(text, _LONGEST))
