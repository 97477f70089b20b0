"""Promote what one environment has to another: one stage tag ``churn#production#3`` on that commit.

The tag belongs to the project's name, so that a repository may hold several projects, and it is GTO's: `gto show`
and DVC's own tools see the stages of the project as those of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.errors import MissingExtraError, NotPromotableError
from ci_core.operations.registry import WantedTag, check_fetched, write_tag
from ci_core.versioning import registry
from ci_core.versioning.git_tags import list_tags
from ci_core.versioning.registry_grammar import RegistryTag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.config.settings import EnvironmentSettings
    from ci_core.operations.project import Project
    from ci_core.operations.registry import RegistryChange, TagOptions
    from ci_core.types import CommitId
    from ci_core.versioning.git_tags import GitTag
    from ci_core.versioning.registry_state import Artifact, Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What was promoted."""

    source: str
    """The environment it comes from."""
    to: str
    known_by: str
    """How the commit of `source` is known: ``its stage tag``, ``its live release``, ``its newest deployment``."""
    change: RegistryChange


def promote(
    project: Project, source: EnvironmentSettings, to: EnvironmentSettings, *, options: TagOptions
) -> Promotion:
    """Write the stage tag of `to` on the commit that `source` has.

    Raises:
        NotPromotableError: `source` has nothing, or not what it should.
        UnknownRevisionError: this clone lacks the commit.
        GraphshipError: as ``check_fetched``, ``check_results`` and ``write_tag`` raise.
    """
    name = project.settings.name
    on_remote = check_fetched(project, name, options)
    now = registry.read_artifact(name, list_tags(project.git, *registry.tags_of(name)))
    found, known_by = _commit_of(project, source, now.stages.get(source.name), force=options.force)
    commit = project.git.resolve(found)

    def plan(tags: Sequence[GitTag]) -> WantedTag:
        return plan_stage(registry.read_artifact(name, tags), source.name, to.name, commit, tags)

    change = write_tag(project, name, commit, plan, options=options, on_remote=on_remote)
    return Promotion(source=source.name, to=to.name, known_by=known_by, change=change)


def plan_stage(artifact: Artifact, source: str, to: str, commit: CommitId, tags: Sequence[GitTag]) -> WantedTag:
    """Return the tag that makes a commit the stage `to` (pure).

    Args:
        artifact: what stands already.
        source: where it is promoted from, for the message.
        to: the stage.
        commit: what it will be.
        tags: all tags of the artifact, from which the next number comes.
    """
    version = artifact.version_of(commit)
    standing = artifact.stages.get(to)
    if standing is not None and standing.commit == commit:
        tag = registry.newest_assignment(artifact.name, to, commit, tags)
        return WantedTag(tag=tag, version=version, message="", stands=True)
    what = f"version {version}" if version else f"commit {commit}"
    return WantedTag(
        tag=RegistryTag(
            name=artifact.name, action="assign", stage=to, counter=registry.next_counter(artifact.name, tags)
        ),
        version=version,
        message=f"Assigning stage {to} to artifact {artifact.name} {what}\n\nPromoted from {source}.",
    )


def _commit_of(
    project: Project, source: EnvironmentSettings, assigned: Assignment | None, *, force: bool
) -> tuple[str, str]:
    """Return the commit that an environment has, and how that is known.

    Where a merge deploys, what is live counts; elsewhere the environment's own stage tag, if it has one.
    """
    live = _live(project, source)
    if assigned is not None and source.deploy_on != "merge":
        if live is not None and live != assigned.commit and not force:
            raise NotPromotableError(
                environment=source.name,
                reason=f"its stage tag is on `{assigned.commit[:12]}`, but `{live[:12]}` serves there",
                hint=f"deploy the tagged commit to `{source.name}`, or promote it untried with `--force`",
            )
        return assigned.commit, "its stage tag"
    known_by = "its live release"
    if live is None:
        live, known_by = _recorded(project, source), "its newest deployment"
    if live is None:
        raise NotPromotableError(
            environment=source.name,
            reason="it has neither a stage tag nor a release",
            hint=f"deploy there first: `graphship deploy {source.name}`",
        )
    if "+" in live:
        raise NotPromotableError(
            environment=source.name,
            reason="its release was built from files that are not committed",
            hint=f"commit them, and deploy that commit to `{source.name}`",
        )
    return live, known_by


def _live(project: Project, environment: EnvironmentSettings) -> str | None:
    try:
        return project.target(environment).observe(environment.name).commit
    except MissingExtraError:  # a machine that writes tags need not be able to serve
        return None


def _recorded(project: Project, environment: EnvironmentSettings) -> str | None:
    """Return the commit that the ledger saw deployed last; None when it saw none."""
    lines = project.ledger.read_lines(project.history("deployments", environment.name))
    return next((str(line["commit"]) for line in reversed(lines) if line.get("outcome") == "deployed"), None)
