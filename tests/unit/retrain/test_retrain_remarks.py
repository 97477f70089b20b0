"""What is said on a retrain change request that is left as it is, or closed."""

from __future__ import annotations

from pathlib import Path

from ci_core.reports.markdown import to_markdown
from ci_core.retrain.branch import BranchCommit, StandingBranch
from ci_core.retrain.remarks import left_alone, left_alone_sentence, not_renewed, nothing_to_propose
from ci_core.retrain.spec import RetrainDecision
from ci_core.testing.golden import assert_golden
from ci_core.types import CommitId

_GOLDEN = Path(__file__).parents[2] / "golden" / "retrain"
_DECISION = RetrainDecision(
    should=True, slug="drift", reason="`temp` and `dewp` moved; 14 windows of live traffic are ready to learn from"
)


def _branch(count: int, subject: str = "use all columns", author: str = "Robin") -> StandingBranch:
    commits = tuple(
        BranchCommit(id=CommitId(f"{number:040x}"), author=author, emails=frozenset(), subject=subject)
        for number in range(1, count + 1)
    )
    return StandingBranch(name="graphship/retrain/flights/staging", head=CommitId("f" * 40), of_others=commits)


def test_the_remark_on_commits_of_people_is_the_reviewed_one() -> None:
    assert_golden(_GOLDEN / "left-alone.md", to_markdown(left_alone(_DECISION, _branch(2)), 60_000))


def test_hostile_subjects_and_authors_stay_text_and_many_commits_are_counted() -> None:
    branch = _branch(
        13, subject="@team #12 <!-- x --> ![x](http://t.example) | `x\n" + "y" * 500, author="</details>@me"
    )

    assert_golden(_GOLDEN / "left-alone-hostile.md", to_markdown(left_alone(_DECISION, branch), 60_000))


def test_the_remark_on_a_challenger_that_lost_is_the_reviewed_one() -> None:
    outcome = "On 1,802 rows in 38 hours the challenger's log loss is as high as the champion's: within noise."

    assert_golden(_GOLDEN / "not-renewed.md", to_markdown(not_renewed(_DECISION, outcome), 60_000))


def test_the_remark_on_a_request_without_a_difference_is_the_reviewed_one() -> None:
    assert_golden(_GOLDEN / "nothing-to-propose.md", to_markdown(nothing_to_propose("main"), 60_000))


def test_the_sentence_for_the_log_names_the_branch_and_the_commits() -> None:
    assert left_alone_sentence(_branch(2)) == (
        "`graphship/retrain/flights/staging` has commits that graphship did not make (`0000000`, `0000000`), "
        "so it was left alone"
    )
