"""What the operations need of a target. Each adapter passes ``ci_core.testing.target_contract``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ci_core.deploy.spec import DeploymentOutcome, Live, Plan, Release, ReleaseRecord
    from ci_core.types import EnvironmentName, JsonObject, ReleaseId

    Progress = Callable[[str], None]
    """Told one line a phase: ``candidate ready``, ``12 smoke requests answered``, ``switched``."""


class DeployTarget(Protocol):
    """A place where serving graphs run."""

    name: str
    capabilities: frozenset[str]

    def observe(self, environment: EnvironmentName) -> Live:
        """Return what runs now; an environment that was never deployed to is an empty :class:`Live`."""
        ...

    def stored(self, environment: EnvironmentName, release: ReleaseId) -> Release | None:
        """Return a release as this target keeps it; None when it never had it or keeps it no longer."""
        ...

    def plan(self, environment: EnvironmentName, release: Release, live: Live, live_release: Release | None) -> Plan:
        """Return what applying `release` would do; wishes this target cannot meet make the plan ``refused``."""
        ...

    def apply(
        self,
        plan: Plan,
        record: ReleaseRecord,
        bundle: Path,
        *,
        smoke: Sequence[JsonObject] = (),
        progress: Progress = lambda _line: None,
    ) -> DeploymentOutcome:
        """Start the candidate beside the live release, gate it on health and smoke requests, switch, drain the old.

        Args:
            plan: from :meth:`plan`; refused when the environment moved since.
            record: the release and the commit it came from.
            bundle: the release's archive; verified against ``release.bundle`` before it is unpacked.
            smoke: requests as in the project's smoke file, replayed on the candidate before it gets traffic.
            progress: told what happens.

        Raises:
            PlanOutdatedError: the live state moved since the plan was made.
            DeploymentFailedError: the candidate did not get ready or failed a smoke request; the old one still serves.
        """
        ...

    def rollback(
        self, environment: EnvironmentName, to: ReleaseId | None = None, *, progress: Progress = lambda _line: None
    ) -> DeploymentOutcome:
        """Put the previous release (or `to`) back; needs no build."""
        ...

    def destroy(self, environment: EnvironmentName) -> None:
        """Stop everything of this environment; its history is kept."""
        ...
