"""What a run says on a retrain change request that it leaves as it is, or closes (pure).

A change request gets at most one such remark, which the next run replaces. Like the request's own text it holds raw
text only, and nothing that differs from run to run while nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import Banner, BulletList, Document, Paragraph, code
from ci_core.reports.prose import prose
from ci_core.reports.text import plural, shorten, visible

if TYPE_CHECKING:
    from ci_core.reports.document import Block, Line
    from ci_core.retrain.branch import BranchCommit, StandingBranch
    from ci_core.retrain.spec import RetrainDecision

_SHOWN_COMMITS = 10
_SUBJECT_LIMIT = 80


def left_alone_sentence(branch: StandingBranch) -> str:
    """Return in one sentence why nothing was pushed."""
    ids = ", ".join(f"`{commit.id[:7]}`" for commit in branch.of_others[:_SHOWN_COMMITS])
    return f"`{branch.name}` has commits that graphship did not make ({ids}), so it was left alone"


def left_alone(decision: RetrainDecision, branch: StandingBranch) -> Document:
    """Tell of new evidence for which the branch was not replaced, since people work on it."""
    commits = branch.of_others
    items = [_commit(commit) for commit in commits[:_SHOWN_COMMITS]]
    if len(commits) > _SHOWN_COMMITS:
        items.append(prose(f"and {plural(len(commits) - _SHOWN_COMMITS, 'more commit')}"))
    return _remark(
        "There is new evidence, and this branch was left alone.",
        f"{_sentence(decision.reason)} A challenger for it would replace `{branch.name}`, which has commits that "
        "graphship did not make:",
        BulletList(items=tuple(items)),
        Paragraph(
            line=prose(
                "Nothing was trained or pushed. Merge this change request, or move these commits to another branch and "
                "delete this one: the next run then proposes a challenger again."
            )
        ),
    )


def nothing_to_propose(target_branch: str) -> Document:
    """Tell why a change request is closed whose data came to its target in another way."""
    return _remark(
        "Closed: there is nothing left to propose.",
        f"The newest windows of live traffic are in the data on `{target_branch}` already, so there is nothing that a "
        "challenger could learn, or be judged on.",
    )


def not_renewed(decision: RetrainDecision, outcome: str) -> Document:
    """Tell that newer evidence came, and that the challenger for it did not win."""
    return _remark(
        "There is new evidence, and this change request stays as it is.",
        f"{_sentence(decision.reason)} The challenger that was trained on these windows did not win: {outcome}",
    )


def _remark(head: str, text: str, *more: Block) -> Document:
    return Document(banner=Banner(tone="warn", title=head), blocks=(Paragraph(line=prose(text)), *more))


def _commit(commit: BranchCommit) -> Line:
    subject = shorten(visible(commit.subject), _SUBJECT_LIMIT)
    return (code(commit.id[:12]), f" {subject}, by {shorten(visible(commit.author), _SUBJECT_LIMIT)}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
