"""From a commit's work tree to a release that can be deployed anywhere, and to the plan of doing so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from ci_core.deploy.release import build_release
from ci_core.deploy.spec import Release, ReleaseRecord
from ci_core.errors import NoPipelineError
from ci_core.operations.lowering import lower_models, may_be_lowered
from ci_core.operations.pipeline import run_stale
from ci_core.operations.release_reference import keep_reference
from ci_core.serving import load_graph
from ci_core.versioning.plain import to_plain
from ci_core.versioning.snapshot import take_snapshot
from ci_core.workspace import workspace_folder

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.config.settings import EnvironmentSettings
    from ci_core.deploy.release import BuiltRelease
    from ci_core.deploy.spec import Plan
    from ci_core.lowering import LoweredGraph
    from ci_core.operations.project import Project
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import CommitId, JsonObject, ReleaseId
    from ci_core.versioning.dvc import StaleStage


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRelease:
    """A release, its archive, and where it came from."""

    record: ReleaseRecord
    bundle: Path
    notes: tuple[str, ...] = ()
    """What a plan says of it, whatever is live."""

    @property
    def release(self) -> Release:
        """The release itself."""
        return self.record.release

    @property
    def id(self) -> ReleaseId:
        """The release's id."""
        return self.record.release.id


def prepare_release(project: Project, commit: CommitId) -> PreparedRelease:
    """Bring the outputs of `commit` up to date, build its release, and keep record and reference in the ledger.

    Raises:
        GraphshipError: the pipeline or the graph failed (exit code 3), or a remote was not reachable (5).
    """
    refresh_outputs(project)
    with project.console.group("build the release"):
        built = build_with_lowering(project)
        snapshot = take_snapshot(project.root, dvc=project.dvc)
        # Plain, since a metric that is no number (NaN) is nothing that the ledger's JSON can hold.
        metrics = cast("JsonObject", to_plain(snapshot.metrics))
        lowering = tuple(decision.to_dict() for decision in built.lowering)
        record = ReleaseRecord(release=built.release, commit=commit, metrics=metrics, lowering=lowering)
        project.console.step(f"release {record.release.id[:12]} from commit {snapshot.code.label}")
        keep_reference(project, built.release.id)  # first: it may find the data unfit, and then nothing is to be kept
        if project.ledger.read(release_path(record.release.id)) is None:
            message = f"release {record.release.id[:12]}"
            project.ledger.write_json(release_path(record.release.id), record.to_dict(), message)
    return PreparedRelease(record=record, bundle=built.bundle.path, notes=built.notes)


def build_with_lowering(project: Project) -> BuiltRelease:
    """Build the release of the work tree with lowered models, and fetch the rows that decide about them.

    Raises:
        GraphshipError: the graph failed (exit code 3), a file is missing, or a remote was not reachable (5).
    """

    def lower(graph: GraphSpec) -> LoweredGraph:
        reference = project.settings.monitor.reference if project.settings.monitor else None
        if reference is not None and may_be_lowered(graph):
            project.dvc.pull([reference])
        lowered = lower_models(project.settings, graph)
        for decision in lowered.decisions:
            project.console.step(decision.sentence)
        return lowered

    return build_release(project.settings, workspace_folder(project.root, "bundles"), lower=lower)


def refresh_outputs(project: Project) -> None:
    """Fetch what the stages made, or run what is stale: usually nothing, since the change request did it."""
    with project.console.group("bring the pipeline's outputs up to date"):
        stale = _stale(project)
        if stale:
            project.console.step(f"stale: {', '.join(stage.name for stage in stale)}")
            run_stale(project).require_success()
            project.console.warning(
                "what the pipeline made here is in no commit's dvc.lock: run it on a change request"
            )
        else:
            project.console.step("nothing is stale")
        pull_served(project)


def _stale(project: Project) -> tuple[StaleStage, ...]:
    try:
        return project.engine.stale()
    except NoPipelineError:  # what is served may be kept by Git, or by `dvc add` alone
        return ()


def pull_served(project: Project) -> None:
    """Fetch what the serving graph needs of what DVC keeps: models, data files, and the data beside its code."""
    if project.settings.graph is None:
        return
    graph = load_graph(project.settings.graph, project.root, check_files=False).spec
    beside_code = str(PurePosixPath(project.settings.graph.partition(":")[0]).parent)
    project.dvc.pull([*graph.models, *graph.files, *([beside_code] if beside_code != "." else [])])


def make_plan(
    project: Project, environment: EnvironmentSettings, release: Release, *, notes: tuple[str, ...] = ()
) -> Plan:
    """Return what deploying `release` to `environment` would do, compared with what is live there now.

    Args:
        project: whose release it is.
        environment: where it goes.
        release: that is to be deployed.
        notes: what else the plan says of the release.
    """
    target = project.target(environment)
    live = target.observe(environment.name)
    plan = target.plan(environment.name, release, live, live_release(project, live.release))
    return replace(plan, notes=(*plan.notes, *notes))


def live_release(project: Project, release: ReleaseId | None) -> Release | None:
    """Return a release by its id from the ledger; None when the ledger does not have it."""
    stored = project.ledger.read_json(release_path(release)) if release else None
    return ReleaseRecord.from_dict(cast("JsonObject", stored)).release if stored else None


def release_path(release: ReleaseId) -> str:
    """Return where the ledger keeps a release record."""
    return f"releases/{release}.json"
