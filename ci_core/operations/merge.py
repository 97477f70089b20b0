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
    from ci_core.types import ReleaseId


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
            outcomes.append(deploy_to(project, context, environment, prepared, deliveries))
        except GraphshipError as error:
            failure = error
            break
    return MergeResult(
        release=prepared.id, outcomes=tuple(outcomes), failure=failure, is_delivered=deliveries.is_complete
    )


def deploy_to(
    project: Project,
    context: Context,
    environment: EnvironmentSettings,
    prepared: PreparedRelease,
    deliveries: Deliveries,
) -> DeploymentOutcome:
    """Deploy a release to one environment and write down what came of it.

    Raises:
        DeploymentFailedError: the candidate did not get ready or failed a smoke request; the old release serves.
        GraphshipError: what the target raises.
    """
    target = project.target(environment)
    plan = make_plan(project, environment, prepared.release)
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
