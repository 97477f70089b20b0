"""On a merge: build the release of the commit, and deploy it to each environment that a merge deploys to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.deploy.smoke import read_smoke_requests
from ci_core.errors import GraphshipError
from ci_core.operations.delivery import Deliveries
from ci_core.operations.deployment_record import DeploymentRecorder
from ci_core.operations.release import make_plan, prepare_release

if TYPE_CHECKING:
    from ci_core.ci.context import Context
    from ci_core.config.settings import EnvironmentSettings
    from ci_core.deploy.spec import DeploymentOutcome
    from ci_core.operations.project import Project
    from ci_core.operations.release import PreparedRelease
    from ci_core.types import CommitId, ReleaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """What a merge did."""

    release: ReleaseId | None = None
    """None when nothing is deployed on merge."""
    outcomes: tuple[DeploymentOutcome, ...] = ()
    failure: GraphshipError | None = None
    """Why the deployment ended early: the previous release serves."""
    is_delivered: bool = True


def deploy_merge(project: Project, context: Context) -> MergeResult:
    """Deploy the commit of `context` to every environment with ``deploy-on: merge``, in promotion order.

    A release that fails in one environment goes no further in that order; that is in the result, not raised.

    Raises:
        GraphshipError: there is nothing to deploy, since the pipeline or the graph failed (exit code 3), or a remote
            was not reachable (5).
    """
    environments = [env for env in project.settings.environments if env.deploy_on == "merge"]
    if not environments or project.settings.graph is None:
        project.console.notice("nothing is deployed on merge: no graph, or no environment has `deploy-on: merge`")
        return MergeResult()
    prepared = prepare_release(project, context.head)
    project.console.output("release-id", prepared.id)
    deliveries = Deliveries(project.console)
    outcomes: list[DeploymentOutcome] = []
    failure = None
    for environment in environments:
        try:
            outcome = deploy_to(project, context, environment, prepared, deliveries)
        except GraphshipError as error:
            failure = error
            break
        if outcome is not None:
            outcomes.append(outcome)
    return MergeResult(
        release=prepared.id, outcomes=tuple(outcomes), failure=failure, is_delivered=deliveries.is_complete
    )


def deploy_to(
    project: Project,
    context: Context,
    environment: EnvironmentSettings,
    prepared: PreparedRelease,
    deliveries: Deliveries,
) -> DeploymentOutcome | None:
    """Deploy a release to one environment and write down what came of it.

    Returns:
        None when the environment serves a newer commit already: a run that was slow, or is run again, undoes nothing.

    Raises:
        DeploymentFailedError: the candidate did not get ready or failed a smoke request; the old release serves.
        GraphshipError: what the target raises.
    """
    target = project.target(environment)
    plan = make_plan(project, environment, prepared.release, notes=prepared.notes)
    # Looked at after the plan was made: what goes live later than that makes the plan outdated.
    if _serves_newer(project, context, target.observe(environment.name).commit):
        project.console.notice(
            f"{environment.name} serves a newer commit, so this one is not deployed; "
            f"to go back: graphship rollback {environment.name}"
        )
        return None
    recorder = DeploymentRecorder(project, context, environment, prepared.record, deliveries)
    smoke = read_smoke_requests(project.root, project.settings.smoke)
    with project.console.group(f"deploy release {prepared.id[:12]} to {environment.name}"):
        recorder.begin(plan)
        try:
            outcome = target.apply(plan, prepared.record, prepared.bundle, smoke=smoke, progress=project.console.step)
        except GraphshipError as error:
            recorder.fail(error)
            raise
        recorder.succeed(outcome, smoke_requests=len(smoke))
    project.console.output("environment-url", outcome.live.url or "")
    return outcome


def _serves_newer(project: Project, context: Context, served: CommitId | None) -> bool:
    """Say whether `served`, the commit of the live release, came after ours; False when this clone cannot know."""
    if served is None:
        return False
    commit, _, _ = served.partition("+")  # of a release that was deployed by hand from a changed work tree
    if commit == context.head:
        return False
    branch = context.default_branch
    try:
        # What serves may have been pushed after this clone was made.
        project.git.fetch(f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
        return project.git.is_ancestor(context.head, commit)
    except GraphshipError:
        return False
