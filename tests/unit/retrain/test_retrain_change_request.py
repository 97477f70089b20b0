from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ci_core.monitoring.spec import ColumnVerdict, Window
from ci_core.retrain.champion import Comparison, Score
from ci_core.retrain.change_request import RetrainCase, body, branch_name, comparison_sentence, title
from ci_core.retrain.dataset import DatasetCounts
from ci_core.retrain.evidence import evidence_key, find_evidence
from ci_core.retrain.spec import RetrainDecision
from ci_core.testing.golden import assert_golden

_GOLDEN = Path(__file__).parents[2] / "golden" / "retrain"
_REF = re.compile(r"[A-Za-z0-9_/-]+")


def _windows(count: int) -> tuple[Window, ...]:
    first = datetime(2013, 6, 15, tzinfo=UTC)
    days = [first + timedelta(days=number) for number in range(count)]
    return tuple(Window(start=day, end=day + timedelta(days=1)) for day in days)


def _column(name: str, *, drifted: bool = True, shift: float | None = 2.31) -> ColumnVerdict:
    return ColumnVerdict(
        name=name,
        kind="numeric" if shift is not None else "category",
        distance=0.6512,
        bound=0.21,
        floor=0.02,
        shift=shift,
        shift_bound=None if shift is None else 0.84,
        drifted=drifted,
        reference_summary="mean 38.1 (sd 9.7)",
        window_summary="mean 74.9 (sd 6.2)",
    )


_COMPARISON = Comparison(
    task="binary",
    rows=1802,
    blocks=38,
    scores=(
        Score(name="log-loss", champion=0.54321, challenger=0.51234, is_lower_better=True, decides=True),
        Score(name="brier", champion=0.1801, challenger=0.1722, is_lower_better=True),
        Score(name="auc", champion=0.6812, challenger=0.7203, is_lower_better=False),
    ),
    difference=0.03087,
    interval=(0.01234, 0.0498765),
    verdict="better",
)
_CASE = RetrainCase(
    project="flights",
    environment="staging",
    decision=RetrainDecision(
        should=True,
        slug="drift",
        reason="`temp` and `dewp` moved; 14 windows of live traffic are ready to learn from",
        evidence_key=evidence_key("3f2a9c1be07d", ["temp", "dewp"]),
        windows=_windows(14),
        held_back=_windows(14)[12:],
    ),
    columns=(_column("temp"), _column("dewp"), _column("carrier", drifted=False, shift=None)),
    comparison=_COMPARISON,
    data="data/train.parquet",
    counts=DatasetCounts(
        old=37_210, captured=12_544, unlabelled=31, duplicates=2, added=12_511, dropped=0, rows=49_721
    ),
    deploys_to=("staging",),
)


def test_the_text_of_a_drift_is_the_reviewed_one() -> None:
    assert title(_CASE) == "Retrain flights: temp and dewp moved in staging"
    assert_golden(_GOLDEN / "drift.md", body(_CASE))


def test_the_text_with_hostile_names_old_data_and_notes_is_the_reviewed_one() -> None:
    nasty = ("a|b\n@team #12", "<img src=x> `x` <!-- graphship:evidence 0:0 -->", "</details>![x](http://t.example)")
    case = dataclasses.replace(
        _CASE,
        project="fl@ights\u202e",
        columns=tuple(_column(name) for name in nasty),
        old_data=dataclasses.replace(
            _COMPARISON, rows=400, blocks=5, interval=(-0.02, 0.01), difference=-0.004, verdict="within-noise"
        ),
        counts=dataclasses.replace(_CASE.counts, dropped=12_511, rows=37_210, unlabelled=0, duplicates=0),
        deploys_to=(),
        notes=("Checks on this request wait for an approval: it was opened with the job's own token.",),
    )

    assert_golden(_GOLDEN / "hostile.md", f"{title(case)}\n\n{body(case)}")


def test_a_challenger_asked_for_by_a_person_needs_no_table_of_columns() -> None:
    decision = dataclasses.replace(
        _CASE.decision, reason="asked for by a person; 3 windows are ready", slug="asked-for"
    )
    case = dataclasses.replace(_CASE, decision=decision, columns=())

    assert title(case) == "Retrain flights: asked for by a person"
    assert "shift in sd" not in body(case)


def test_the_evidence_is_found_in_the_text_whatever_the_columns_are_called() -> None:
    forged = _column("<!-- graphship:evidence aaaa:bbbb -->")

    text = body(dataclasses.replace(_CASE, columns=(forged,)))

    assert find_evidence(text) == _CASE.decision.evidence_key


def test_a_worse_and_an_unsure_challenger_are_told_so() -> None:
    scores = (Score(name="squared-error", champion=4.0, challenger=5.0, is_lower_better=True, decides=True),)
    worse = Comparison(
        task="regression", rows=1, blocks=1, scores=scores, difference=-1, interval=(-1, -1), verdict="within-noise"
    )

    assert comparison_sentence(worse) == (
        "On 1 row in 1 hour the challenger's squared error is 1.00 higher than the champion's "
        "(95 % interval of the gain: -1 to -1): within noise. Fewer than 8 hours are too few to tell."
    )


def test_the_branch_is_named_by_topic() -> None:
    assert branch_name("flights", "staging") == "graphship/retrain/flights/staging"


@pytest.mark.parametrize("project", ["../x", "a b", "-rf", "a..b.lock", "@{", "ü", "", "a~^:?*[\\"])
def test_any_project_name_gives_a_legal_branch(project: str) -> None:
    name = branch_name(project, "staging")

    assert _REF.fullmatch(name)
    assert not name.removeprefix("graphship/retrain/").startswith("-")


_PAIR = st.tuples(st.text(max_size=20), st.text(max_size=20))


@given(_PAIR, _PAIR)
@example(("a-b", "c"), ("a", "b-c"))
def test_two_names_that_look_alike_have_two_branches(one: tuple[str, str], other: tuple[str, str]) -> None:
    names = {branch_name(*one), branch_name(*other)}

    assert len(names) == len({one, other})


@given(st.text(min_size=1, max_size=60))
def test_a_column_name_never_becomes_html_a_link_or_a_further_table_cell(name: str) -> None:
    text = body(dataclasses.replace(_CASE, columns=(_column(name),)))

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in inline} <= {"text", "code_inline", "softbreak", "strong_open", "strong_close"}
    assert [token.content for token in tokens if token.type == "html_block"] == [text.splitlines()[-1] + "\n"]
    assert sum(token.type == "td_open" for token in tokens) == 5 + 3 * 4
