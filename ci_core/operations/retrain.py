"""On drift: make a new data version, train a challenger, and propose it if it wins.

The work happens on a detached HEAD of the work tree, which is put back whatever comes of it. Two runs at once end with
one branch and one change request: what a run saw of the branch before it trained must still be there when it pushes,
and the run that is too late stops quietly.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.errors import HostError
from ci_core.operations.challenger import Challenger
from ci_core.operations.retrain_branch import look_at_branch, replace_branch
from ci_core.operations.retrain_request import Requests, find_requests, notes_on_checks
from ci_core.reports.text import plural
from ci_core.retrain.branch import commit_message
from ci_core.retrain.change_request import RetrainCase, comparison_sentence, title
from ci_core.retrain.decision import decide_retrain
from ci_core.retrain.remarks import left_alone, left_alone_sentence, not_renewed, nothing_to_propose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings
    from ci_core.deploy.spec import Live
    from ci_core.hosts.upsert import Delivery
    from ci_core.monitoring.records import WindowRecord
    from ci_core.monitoring.spec import ColumnVerdict
    from ci_core.operations.project import Project
    from ci_core.reports.document import Document
    from ci_core.retrain.branch import StandingBranch
    from ci_core.retrain.spec import RetrainDecision, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainResult:
    """Whether a challenger was trained, and what came of it."""

    decision: RetrainDecision
    outcome: str = ""
    """One sentence on champion against challenger; empty when none was trained."""
    delivery: Delivery | None = None
    """The change request that was written by this run."""
    request: str | None = None
    """Address of the open retrain request, whoever's run wrote it."""


def retrain(
    project: Project,
    context: Context,
    environment: EnvironmentSettings,
    *,
    live: Live,
    records: Sequence[WindowRecord],
    trigger: Trigger = "schedule",
    dry_run: bool = False,
) -> RetrainResult | None:
    """Train and propose a challenger if the verdicts call for it.

    Args:
        project: its work tree holds the commit that a merge would build on: the default branch.
        context: the run.
        environment: whose traffic drifted.
        live: what serves there.
        records: the windows judged against the live release's reference, oldest first.
        trigger: a ``command`` needs no drift.
        dry_run: decide, and train nothing.

    Returns:
        None when the project does not want it or has no host to propose it on.

    Raises:
        DirtyWorkTreeError: the work tree has changes that are not committed.
        CannotRetrainError: `monitor` lacks labels, target or time column, or the graph has no model.
        StageFailedError: the pipeline failed on the new data.
        GraphshipError: a remote or the host is not reachable.
    """
    settings, monitor, host = project.settings.retrain, project.settings.monitor, project.host
    if settings is None or monitor is None or host is None or (settings.on == "manual" and trigger == "schedule"):
        return None
    requests = find_requests(project, context, host, environment.name)
    decision = decide_retrain(
        [record.verdict for record in records],
        settings,
        now=project.now(),
        release=live.release or "",
        open_request=requests.standing,
        last_closed=requests.closed,
        trigger=trigger,
        run=requests.run,
    )
    if not decision.should:
        project.console.step(f"no retraining: {decision.reason}")
        return RetrainResult(decision=decision, request=requests.url)
    lost = _lost_before(project, environment.name, decision)
    if lost is not None and trigger == "schedule":
        project.console.step(f"no retraining: a challenger on the same windows has lost already. {lost}")
        return RetrainResult(decision=decision, outcome=lost, request=requests.url)
    if dry_run:
        project.console.step(f"would retrain: {decision.reason}")
        return RetrainResult(decision=decision, request=requests.url)
    branch = look_at_branch(project.git, requests.branch, settled=requests.settled)
    if branch.of_others:
        return _leave_alone(requests, decision, branch)
    with project.console.group(f"retrain for {environment.name}: {decision.reason}"), _aside(project):
        challenger = Challenger(project, settings, monitor, Path(live.captures or ""), decision)
        return _challenge(requests, branch, challenger, records[-1].verdict.columns)


def _challenge(
    requests: Requests, branch: StandingBranch, challenger: Challenger, columns: tuple[ColumnVerdict, ...]
) -> RetrainResult:
    """Train, and propose what won. HEAD is detached."""
    project, environment, decision = requests.project, requests.environment, challenger.decision
    held_back = challenger.hold_back()
    if held_back.unlabelled and not held_back.added:
        return _wait_for_labels(requests, decision, held_back.unlabelled)
    if not held_back.added:
        return _withdraw(requests, decision)
    comparison, counts = challenger.train()
    outcome = comparison_sentence(comparison)
    project.console.step(outcome)
    if comparison.verdict != "better":
        _remember_loss(project, environment, decision, outcome)
        if requests.standing is not None:
            _say(requests, not_renewed(decision, outcome), essence=decision.evidence_key)
        return RetrainResult(decision=decision, outcome=outcome, request=requests.url)
    case = RetrainCase(
        project=project.settings.name,
        environment=environment,
        decision=decision,
        columns=columns,
        comparison=comparison,
        data=challenger.settings.data,
        counts=challenger.refit(counts),
        deploys_to=tuple(env.name for env in project.settings.environments if env.deploy_on == "merge"),
        notes=notes_on_checks(requests.host),
    )
    message = commit_message(title(case), outcome, evidence=decision.evidence_key, run=requests.run)
    commit = project.git.commit(sorted(challenger.git_files), project.redactor.text(message))
    if commit is None:
        return _withdraw(requests, decision)
    head = replace_branch(project.git, branch, commit)
    if head is None:
        return _overtaken(requests, decision)
    delivery = requests.propose(case, head, challenger.settings.change_request)
    project.console.output("change-request-url", delivery.url or "")
    return RetrainResult(decision=decision, outcome=outcome, delivery=delivery, request=delivery.url)


def _leave_alone(requests: Requests, decision: RetrainDecision, branch: StandingBranch) -> RetrainResult:
    """Push nothing over commits of people, and tell them of the new evidence."""
    outcome = f"{left_alone_sentence(branch)}."
    requests.project.console.warning(outcome)
    essence = " ".join([decision.evidence_key, *(commit.id for commit in branch.of_others)])
    _say(requests, left_alone(decision, branch), essence=essence)
    return RetrainResult(decision=decision, outcome=outcome, request=requests.url)


def _wait_for_labels(requests: Requests, decision: RetrainDecision, rows: int) -> RetrainResult:
    """Train nothing that cannot be judged yet; the next run looks again."""
    outcome = f"no outcome is known yet of the {plural(rows, 'row')} that a challenger would be judged on."
    requests.project.console.step(outcome)
    return RetrainResult(decision=decision, outcome=outcome, request=requests.url)


def _withdraw(requests: Requests, decision: RetrainDecision) -> RetrainResult:
    """Propose nothing, since the data has the windows already; an open change request has become pointless."""
    target = requests.context.default_branch
    outcome = f"the newest windows are in the data on `{target}` already, so there is nothing to propose."
    requests.project.console.step(outcome)
    _remember_loss(requests.project, requests.environment, decision, outcome)
    requests.close(nothing_to_propose(target), essence=decision.evidence_key)
    return RetrainResult(decision=decision, outcome=outcome)


def _overtaken(requests: Requests, decision: RetrainDecision) -> RetrainResult:
    """Stop, since somebody moved the branch while this run trained: a person, or a run whose request stands now."""
    project = requests.project
    found = find_requests(project, requests.context, requests.host, requests.environment)
    branch = look_at_branch(project.git, found.branch, settled=found.settled)
    if branch.of_others:
        return _leave_alone(found, decision, branch)
    outcome = f"another run has moved `{found.branch}` meanwhile, and proposes its own challenger."
    project.console.notice(outcome)
    return RetrainResult(decision=decision, outcome=outcome, request=found.url)


def _say(requests: Requests, document: Document, *, essence: str) -> None:
    """Put a remark on the change request; the result of a run does not depend on it."""
    try:
        requests.remark(document, essence=essence)
    except HostError as error:
        requests.project.console.warning(f"could not remark on the retrain change request: {error.fact}")


def _losses_path(project: Project, environment: str) -> str:
    """Return where the ledger keeps challengers that did not win: nobody wants to train them again each night."""
    return project.history("retrain", environment)


def _lost_before(project: Project, environment: str, decision: RetrainDecision) -> str | None:
    newest = decision.windows[-1].label
    for line in reversed(project.ledger.read_lines(_losses_path(project, environment))):
        if line["evidence"] == decision.evidence_key and line["newest-window"] == newest:
            return str(line["outcome"])
    return None


def _remember_loss(project: Project, environment: str, decision: RetrainDecision, outcome: str) -> None:
    line = {"evidence": decision.evidence_key, "newest-window": decision.windows[-1].label, "outcome": outcome}
    project.ledger.append(_losses_path(project, environment), [line], f"challenger for {environment} did not win")


@contextmanager
def _aside(project: Project) -> Iterator[None]:
    """Let the block commit on a detached head and change tracked data; afterwards the work tree is what it was.

    Raises:
        DirtyWorkTreeError: the work tree has changes that are not committed.
    """
    is_aside = False
    try:
        with project.git.detached():
            is_aside = True
            yield
    finally:
        if is_aside:
            project.dvc.checkout()
