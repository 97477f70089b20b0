"""Branch, title and text of the retrain change request (pure).

The text is built as a neutral :class:`~ci_core.reports.document.Document`, which holds raw text only, so that no name
from a stranger's table can mention, link or break anything. It contains no times of the run: an unchanged case is an
unchanged text.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.reports import bounds
from ci_core.reports.document import Banner, BulletList, Column, Document, Paragraph, Section, Strong, Table, code
from ci_core.reports.markdown import GITHUB_COMMENT_LIMIT, to_markdown
from ci_core.reports.prose import prose
from ci_core.reports.text import ABSENT, number, plural, shorten, signed, visible
from ci_core.retrain.champion import CONFIDENCE, MIN_BLOCKS
from ci_core.retrain.evidence import evidence_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.monitoring.spec import ColumnVerdict
    from ci_core.reports.document import Block, Line
    from ci_core.retrain.champion import Comparison, Score
    from ci_core.retrain.dataset import DatasetCounts
    from ci_core.retrain.spec import RetrainDecision

_BRANCH_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)
_TITLE_LIMIT = 120
_SHOWN_COLUMNS = 12
_MEASURES = {
    "log-loss": "log loss",
    "brier": "Brier score",
    "auc": "AUC",
    "squared-error": "squared error",
    "absolute-error": "absolute error",
}
_VERDICTS = {"better": "better", "not-better": "not better", "within-noise": "within noise"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainCase:
    """Everything that the text tells."""

    project: str
    environment: str
    decision: RetrainDecision
    columns: tuple[ColumnVerdict, ...]
    """Of the newest judged window, in the verdict's order; those that drifted are shown."""
    comparison: Comparison
    """Champion against challenger on the held-back windows, before the challenger was trained on them."""
    old_data: Comparison | None = None
    """The same on old data that neither was trained on: whether the challenger forgot; None when not asked."""
    data: str
    """The table that got the windows, relative to the project."""
    counts: DatasetCounts
    deploys_to: tuple[str, ...] = ()
    """Environments that a merge deploys to."""
    notes: tuple[str, ...] = ()
    """What the reader must know besides, such as that checks on this request wait for an approval."""


def branch_name(project: str, environment: str) -> str:
    """Return the one branch of this project's and environment's retrain requests.

    A legal Git ref whatever the names are; names that had to be changed get a short hash, so that two never meet.
    """
    parts = (project, environment)
    safe = "/".join(filter(None, (_BRANCH_UNSAFE.sub("-", part).strip("-") for part in parts)))
    if safe != "/".join(parts):
        digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        safe = f"{safe}-{digest}".strip("-")
    return f"graphship/retrain/{safe}"


def title(case: RetrainCase) -> str:
    """Return the title: one line, at most 120 characters."""
    moved = [column.name for column in case.columns if column.drifted]
    if not moved:
        why = "asked for by a person"
    elif len(moved) <= 2:  # noqa: PLR2004 - the second name is no longer than "1 more column"
        why = f"{' and '.join(moved)} moved in {case.environment}"
    else:
        why = f"{moved[0]} and {plural(len(moved) - 1, 'more column')} moved in {case.environment}"
    return shorten(visible(f"Retrain {case.project}: {why}"), _TITLE_LIMIT)


def body(case: RetrainCase, limit: int = GITHUB_COMMENT_LIMIT) -> str:
    """Return the text as Markdown with the evidence key in a hidden last line, at most `limit` characters."""
    line = evidence_line(case.decision.evidence_key)
    return f"{to_markdown(document(case), limit - len(line) - 2)}\n{line}\n"


def document(case: RetrainCase) -> Document:
    """Return the text as a document, for other renderings."""
    blocks: list[Block] = [
        Section(slug="why", title="Why", blocks=_why(case)),
        Section(slug="champion", title="Champion against challenger", blocks=_models(case)),
        Section(slug="data", title="New data", blocks=_data(case)),
        Section(slug="next", title="What happens next", blocks=(BulletList(items=_next(case)),)),
    ]
    blocks += [Paragraph(tone="warn", line=prose(note)) for note in case.notes]
    deciding = _MEASURES[case.comparison.deciding.name]
    return Document(
        banner=Banner(
            tone="info",
            title=f"A retrained model: {_VERDICTS[case.comparison.verdict]} by {deciding}",
            eyebrow=(code(case.project), " · ", code(case.environment)),
            lines=(prose(comparison_sentence(case.comparison)),),
        ),
        blocks=tuple(blocks),
    )


def comparison_sentence(comparison: Comparison) -> str:
    """Return in one sentence how the challenger did, with interval and verdict."""
    deciding, (low, high) = comparison.deciding, comparison.interval
    if deciding.gain == 0:
        change = "as high as the champion's"
    else:
        change = f"{number(abs(deciding.gain), 3)} {'lower' if deciding.gain > 0 else 'higher'} than the champion's"
    sentence = (
        f"On {plural(comparison.rows, 'row')} in {plural(comparison.blocks, 'hour')} the challenger's "
        f"{_MEASURES[deciding.name]} is {change} "
        f"({CONFIDENCE:.0%} interval of the gain: {signed(_rounded(low))} to {signed(_rounded(high))}): "
        f"{_VERDICTS[comparison.verdict]}."
    ).replace("%", " %")
    if comparison.blocks < MIN_BLOCKS:
        sentence += f" Fewer than {MIN_BLOCKS} hours are too few to tell."
    return sentence


def _why(case: RetrainCase) -> tuple[Block, ...]:
    windows, held_back = case.decision.windows, case.decision.held_back
    span = f"{windows[0].label} to {windows[-1].label}" if len(windows) > 1 else windows[0].label
    moved = [column for column in case.columns if column.drifted]
    text = (
        f"{case.decision.reason}: {span}. The newest {plural(len(held_back), 'window')} "
        "judged the two models before the challenger was trained on them."
    )
    return (Paragraph(line=prose(text)), *([_moved_table(moved)] if moved else []))


def _moved_table(moved: Sequence[ColumnVerdict]) -> Table:
    return Table(
        columns=(
            Column(title="moved"),
            Column(title="reference"),
            Column(title="newest window"),
            *bounds.HEADS,
        ),
        rows=tuple(
            (
                (code(column.name),),
                (code(column.reference_summary),) if column.reference_summary else (ABSENT,),
                (code(column.window_summary),) if column.window_summary else (ABSENT,),
                *bounds.cells(column),
            )
            for column in moved[:_SHOWN_COLUMNS]
        ),
        hidden=max(0, len(moved) - _SHOWN_COLUMNS),
    )


def _models(case: RetrainCase) -> tuple[Block, ...]:
    blocks: list[Block] = [_scores_table(case.comparison.scores)]
    if case.old_data is not None:
        blocks += [
            Paragraph(line=(Strong("On old data:"), " ", *prose(comparison_sentence(case.old_data)))),
            _scores_table(case.old_data.scores),
        ]
    return tuple(blocks)


def _scores_table(scores: Sequence[Score]) -> Table:
    return Table(
        columns=(
            Column(title="measure"),
            Column(title="champion", align="right"),
            Column(title="challenger", align="right"),
            Column(title="gain", align="right"),
        ),
        rows=tuple(
            (
                (_MEASURES[score.name], " (decides)" if score.decides else ""),
                (number(score.champion),),
                (number(score.challenger),),
                (signed(_rounded(score.gain)),),
            )
            for score in scores
        ),
    )


def _data(case: RetrainCase) -> tuple[Block, ...]:
    counts = case.counts
    left_out = [
        f"{plural(count, 'row')} {why}"
        for count, why in (
            (counts.unlabelled, "without a known outcome"),
            (counts.duplicates, "that the table had already"),
        )
        if count
    ]
    lines = [
        f"`{case.data}`: {number(counts.old)} rows and {number(counts.added)} new ones"
        + (f", without the {number(counts.dropped)} oldest" if counts.dropped else "")
        + f", make {number(counts.rows)}.",
        f"Of {plural(counts.captured, 'captured event')}, left out: {' and '.join(left_out) or 'none'}.",
    ]
    return (BulletList(items=tuple(prose(line) for line in lines)),)


def _next(case: RetrainCase) -> tuple[Line, ...]:
    where = " and ".join(f"`{name}`" for name in case.deploys_to)
    merged = (
        f"Merge: the challenger, trained on all rows above, is deployed to {where} next to the live release, "
        "gated on health and smoke requests, and gets the traffic if it passes."
        if where
        else "Merge: the challenger, trained on all rows above, becomes the model of the default branch; "
        "no environment is deployed by a merge."
    )
    return (
        prose(merged),
        prose(
            "Close: the live model stays. The same drift is not proposed again before the cool-down is over; "
            "a further column that moves is."
        ),
    )


def _rounded(value: float) -> float:
    """Return `value` with three significant digits, so that a difference is not told more exactly than it is known."""
    return float(f"{value:.3g}")
