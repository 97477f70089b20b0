"""Train a challenger on new windows and compare it with the champion.

It is trained on all windows but the newest, judged against the champion on these, and only then refitted on everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ci_core.errors import CannotRetrainError
from ci_core.monitoring.duckdb import open_table, read_arrays
from ci_core.operations.monitor import load_window_rows
from ci_core.operations.pipeline import push_objects, run_stale
from ci_core.operations.release_reference import served_model
from ci_core.retrain.champion import compare_models, hour_blocks
from ci_core.retrain.dataset import DatasetCounts, LiveRows, extend_table, select_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci_core.config.settings import LabelSettings, MonitorSettings, RetrainSettings
    from ci_core.monitoring.spec import Window
    from ci_core.operations.project import Project
    from ci_core.retrain.champion import Comparison
    from ci_core.retrain.spec import RetrainDecision
    from ci_core.serving.base import Model


class Challenger:
    """One challenger: its data, its training, its comparison with the champion."""

    def __init__(
        self,
        project: Project,
        settings: RetrainSettings,
        monitor: MonitorSettings,
        captures: Path,
        decision: RetrainDecision,
    ) -> None:
        self._project, self.settings, self.decision = project, settings, decision
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
        self._held_back = project.output("retrain", "held-back.parquet")
        self.git_files: set[str] = set()

    def hold_back(self) -> DatasetCounts:
        """Set the rows aside that both models are judged on; return how many there are, and why not more."""
        return select_windows(self._source, self.decision.held_back, self._held_back)

    def train(self) -> tuple[Comparison, DatasetCounts]:
        """Train on everything but the held-back windows, and compare both models on these."""
        counts = self._train_with(self.decision.training)
        return self._compare(_model(self._project), self._held_back), counts

    def refit(self, before: DatasetCounts) -> DatasetCounts:
        """Train once more with the held-back windows in and send the objects to the remote; return the whole count."""
        counts = self._train_with(self.decision.held_back)
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
        counts = extend_table(self._source, windows, self._source.table, mode=self.settings.window)
        self._project.console.step(f"{self.settings.data}: {counts.added:,} rows added, {counts.rows:,} in all")
        self.git_files.update(self._project.dvc.add([self.settings.data]))
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
