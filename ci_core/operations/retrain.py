"""On drift: make a new data version, train a challenger, and propose it if it wins.

The challenger is trained on all windows but the newest, judged against the champion on these, and only then refitted on
everything. The work happens on a detached HEAD of the work tree, which is put back whatever comes of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ci_core.errors import CannotRetrainError
from ci_core.hosts.marker import MARKER_ROOM, Run
from ci_core.hosts.upsert import upsert_change_request
from ci_core.monitoring.duckdb import open_table, read_arrays
from ci_core.operations.monitor import load_window_rows
from ci_core.operations.pipeline import push_objects, run_stale
from ci_core.operations.release_reference import served_model
from ci_core.retrain.champion import compare_models, hour_blocks
from ci_core.retrain.change_request import RetrainCase, body, branch_name, comparison_sentence, title
from ci_core.retrain.dataset import DatasetCounts, LiveRows, extend_table, select_windows
from ci_core.retrain.decision import decide_retrain, earlier_requests

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings, LabelSettings, MonitorSettings, RetrainSettings
    from ci_core.deploy.spec import Live
    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.upsert import Delivery
    from ci_core.monitoring.records import WindowRecord
    from ci_core.monitoring.spec import Window
    from ci_core.operations.project import Project
    from ci_core.retrain.champion import Comparison
    from ci_core.retrain.spec import RetrainDecision, Trigger
    from ci_core.serving.base import Model


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
    branch = branch_name(project.settings.name, environment.name)
    open_request, last_closed = earlier_requests(host.change_requests.find(source_branch=branch), host.identity().login)
    decision = decide_retrain(
        [record.verdict for record in records],
        settings,
        now=project.now(),
        release=live.release or "",
        open_request=open_request,
        last_closed=last_closed,
        trigger=trigger,
    )
    if not decision.should:
        project.console.step(f"no retraining: {decision.reason}")
        return RetrainResult(decision=decision, request=open_request.url if open_request else None)
    lost = _lost_before(project, environment, decision)
    if lost is not None and trigger == "schedule":
        project.console.step(f"no retraining: a challenger on the same windows has lost already. {lost}")
        return RetrainResult(decision=decision, outcome=lost)
    if dry_run:
        project.console.step(f"would retrain: {decision.reason}")
        return RetrainResult(decision=decision)
    with project.console.group(f"retrain for {environment.name}: {decision.reason}"), _aside(project):
        attempt = _Attempt(project, settings, monitor, Path(live.captures or ""), decision)
        comparison, counts = attempt.challenge()
        outcome = comparison_sentence(comparison)
        project.console.step(outcome)
        if comparison.verdict != "better":
            _remember_loss(project, environment, decision, outcome)
            return RetrainResult(decision=decision, outcome=outcome)
        case = RetrainCase(
            project=project.settings.name,
            environment=environment.name,
            decision=decision,
            columns=records[-1].verdict.columns,
            comparison=comparison,
            data=settings.data,
            counts=attempt.refit(counts),
            deploys_to=tuple(env.name for env in project.settings.environments if env.deploy_on == "merge"),
        )
        delivery = _propose(project, context, host, case, attempt.git_files)
    return RetrainResult(decision=decision, outcome=outcome, delivery=delivery, request=delivery.url)


def _losses_path(project: Project, environment: EnvironmentSettings) -> str:
    """Return where the ledger keeps challengers that did not win: nobody wants to train them again each night."""
    return project.history("retrain", environment.name)


def _lost_before(project: Project, environment: EnvironmentSettings, decision: RetrainDecision) -> str | None:
    newest = decision.windows[-1].label
    for line in reversed(project.ledger.read_lines(_losses_path(project, environment))):
        if line["evidence"] == decision.evidence_key and line["newest-window"] == newest:
            return str(line["outcome"])
    return None


def _remember_loss(project: Project, environment: EnvironmentSettings, decision: RetrainDecision, outcome: str) -> None:
    line = {"evidence": decision.evidence_key, "newest-window": decision.windows[-1].label, "outcome": outcome}
    project.ledger.append(_losses_path(project, environment), [line], f"challenger for {environment.name} did not win")


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


class _Attempt:
    """One challenger: its data, its training, its comparison with the champion."""

    def __init__(
        self,
        project: Project,
        settings: RetrainSettings,
        monitor: MonitorSettings,
        captures: Path,
        decision: RetrainDecision,
    ) -> None:
        self._project, self._settings, self._decision = project, settings, decision
        labels, target, time_column = _needed(project, monitor)
        project.dvc.pull()
        self._champion = _model(project)
        captured = project.output("retrain", "captured.parquet")
        load_window_rows(captures, decision.windows, self._champion.input_columns, captured)
        self._source = LiveRows(
            table=project.root / settings.data,
            captures=(captured,),
            labels=project.root / labels.path,
            label_key=labels.key,
            target=target,
            time_column=time_column,
        )
        self.git_files: set[str] = set()

    def challenge(self) -> tuple[Comparison, DatasetCounts]:
        """Train on everything but the held-back windows, and compare both models on these."""
        held_back = self._project.output("retrain", "held-back.parquet")
        select_windows(self._source, self._decision.held_back, held_back)
        counts = self._train_with(self._decision.training)
        return self._compare(_model(self._project), held_back), counts

    def refit(self, before: DatasetCounts) -> DatasetCounts:
        """Train once more with the held-back windows in and send the objects to the remote; return the whole count."""
        counts = self._train_with(self._decision.held_back)
        push_objects(self._project)
        return DatasetCounts(
            old=before.old,
            captured=before.captured + counts.captured,
            unlabelled=before.unlabelled + counts.unlabelled,
            duplicates=before.duplicates + counts.duplicates,
            added=before.added + counts.added,
            dropped=before.dropped + counts.dropped,
            rows=counts.rows,
        )

    def _train_with(self, windows: Sequence[Window]) -> DatasetCounts:
        counts = extend_table(self._source, windows, self._source.table, mode=self._settings.window)
        self._project.console.step(f"{self._settings.data}: {counts.added:,} rows added, {counts.rows:,} in all")
        self.git_files.update(self._project.dvc.add([self._settings.data]))
        run = run_stale(self._project).require_success()
        self.git_files.update(run.git_files)
        return counts

    def _compare(self, challenger: Model, held_back: Path) -> Comparison:
        with open_table(held_back) as table:
            rows = read_arrays(table, list(table.columns), limit=table.rows)
        truth = rows[self._source.target].astype(float)
        return compare_models(
            truth,
            self._champion.score(rows),
            challenger.score(rows),
            task="binary" if set(truth) <= {0.0, 1.0} else "regression",
            blocks=hour_blocks(rows[self._source.time_column]),
        )


def _needed(project: Project, monitor: MonitorSettings) -> tuple[LabelSettings, str, str]:
    """Return the settings that retraining cannot do without."""
    needs = {
        "labels": "where the true outcomes are",
        "target": "the column that the model predicts",
        "time-column": "the column with the event's own time",
    }
    found = (monitor.labels, monitor.target, monitor.time_column)
    for (key, meaning), value in zip(needs.items(), found, strict=True):
        if value is None:
            where = project.settings.locate(f"monitor.{key}")
            raise CannotRetrainError(missing=meaning, where=where, hint=f"add `{key}:` to `monitor` in graphship.yaml")
    return cast("tuple[LabelSettings, str, str]", found)


def _model(project: Project) -> Model:
    model = served_model(project)
    if model is None:
        where = project.settings.locate("graph")
        raise CannotRetrainError(missing="a model", where=where, hint="the serving graph has none")
    return model


def _propose(
    project: Project,
    context: Context,
    host: RepositoryHost,
    case: RetrainCase,
    git_files: Collection[str],
) -> Delivery:
    """Commit the new data version, push it to the one retrain branch, and open or renew its change request."""
    branch = branch_name(case.project, case.environment)
    ref = f"refs/heads/{branch}"
    standing = project.git.remote_head(ref)
    commit = project.git.commit(sorted(git_files), f"{title(case)}\n\n{comparison_sentence(case.comparison)}\n")
    head = commit or project.git.head()
    project.git.push(head, ref, lease=standing or "absent")
    settings = project.settings.retrain
    assert settings is not None  # noqa: S101 - the caller has looked
    delivery = upsert_change_request(
        host,
        scope=("retrain", case.project, case.environment),
        branch=branch,
        target_branch=context.default_branch,
        title=title(case),
        body=body(case, host.body_limit - MARKER_ROOM),
        labels=settings.change_request.labels,
        reviewers=settings.change_request.reviewers,
        head=head,
        run=Run(id=context.run_id, attempt=context.attempt),
    )
    project.console.output("change-request-url", delivery.url or "")
    return delivery
