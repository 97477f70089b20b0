"""The contract of a deployment target, as tests: subclass :class:`TargetContract` and supply two fixtures.

Write in your tests::

    class TestMyTarget(TargetContract):
        @pytest.fixture
        def target(self) -> Iterator[DeployTarget]: ...      # with nothing deployed; cleaned up after the test

        @pytest.fixture
        def releases(self, tmp_path) -> ReleaseKit: ...      # makes releases that your servers understand

Say ``pytest.register_assert_rewrite("ci_core.testing.target_contract")`` in a ``conftest.py``, so that pytest explains
what failed.
"""
# ruff: noqa: S101, PLR2004, D102 - these are tests: they assert written-out values and their names are sentences

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from ci_core.errors import (
    BundleDamagedError,
    DeploymentFailedError,
    ExitCode,
    NothingToRollBackToError,
    PlanOutdatedError,
    PlanRefusedError,
)
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.deploy.base import DeployTarget
    from ci_core.deploy.spec import DeploymentOutcome, Live, Plan, Release, ReleaseRecord
    from ci_core.types import JsonObject

STAGING = EnvironmentName("staging")
_SMOKE: tuple[JsonObject, ...] = ({"body": {"x": 1}}, {"body": {"x": 2}})


class ReleaseKit(Protocol):
    """Makes releases, and asks what serves."""

    def good(self, label: str) -> tuple[ReleaseRecord, Path]:
        """Return a release, with its archive, that gets ready and answers with `label`."""
        ...

    def never_ready(self) -> tuple[ReleaseRecord, Path]:
        """Return one that starts and never says that it is ready."""
        ...

    def ends_early(self) -> tuple[ReleaseRecord, Path]:
        """Return one whose process says ``cannot load the model`` and ends before it is ready."""
        ...

    def wrong_answers(self) -> tuple[ReleaseRecord, Path]:
        """Return one that gets ready and answers requests with status 500."""
        ...

    def ask(self, live: Live) -> str:
        """Send a request to what is live and return the label it answers with."""
        ...


class TargetContract:
    """What every target promises."""

    def test_an_environment_without_a_deployment_is_empty(self, target: DeployTarget) -> None:
        live = target.observe(STAGING)

        assert (live.release, live.version, live.url, live.history) == (None, 0, None, ())
        assert not live.is_healthy

    def test_a_first_deployment_serves_and_is_recorded(self, target: DeployTarget, releases: ReleaseKit) -> None:
        record, bundle = releases.good("a")
        said: list[str] = []

        plan = _plan(target, record.release)
        outcome = target.apply(plan, record, bundle, smoke=_SMOKE, progress=said.append)

        assert plan.action == "create"
        assert outcome.outcome == "deployed"
        assert outcome.smoke_requests == 2
        assert {"ready", "smoke", "switch"} <= {phase.phase for phase in outcome.phases}
        assert said
        live = target.observe(STAGING)
        assert live == outcome.live
        assert (live.release, live.commit, live.is_healthy) == (record.release.id, record.commit, True)
        assert [(entry["release"], entry["outcome"]) for entry in live.history] == [(record.release.id, "deployed")]
        assert live.version > plan.live_version
        assert releases.ask(live) == "a"
        assert target.stored(STAGING, record.release.id) == record.release

    def test_a_plan_tells_the_steps_and_models_that_change(self, target: DeployTarget, releases: ReleaseKit) -> None:
        first, second = releases.good("a"), releases.good("b")
        _deploy(target, *first)

        plan = _plan(target, second[0].release)

        assert plan.action == "replace"
        assert plan.live == first[0].release.id
        assert plan.steps or plan.models or plan.notes

    def test_planning_changes_nothing(self, target: DeployTarget, releases: ReleaseKit) -> None:
        _deploy(target, *releases.good("a"))
        before = target.observe(STAGING)

        first = _plan(target, releases.good("b")[0].release)
        second = _plan(target, releases.good("b")[0].release)

        assert first.digest == second.digest
        assert target.observe(STAGING) == before

    def test_a_second_release_replaces_the_first(self, target: DeployTarget, releases: ReleaseKit) -> None:
        first, second = releases.good("a"), releases.good("b")
        _deploy(target, *first)

        outcome = _deploy(target, *second)

        assert outcome.live.release == second[0].release.id
        assert outcome.live.previous == first[0].release.id
        assert releases.ask(outcome.live) == "b"

    def test_deploying_what_is_live_does_nothing(self, target: DeployTarget, releases: ReleaseKit) -> None:
        record, bundle = releases.good("a")
        _deploy(target, record, bundle)
        before = target.observe(STAGING)

        plan = _plan(target, record.release)
        outcome = target.apply(plan, record, bundle)

        assert plan.action == "none"
        assert outcome.outcome == "unchanged"
        assert target.observe(STAGING) == before

    def test_an_outdated_plan_is_refused(self, target: DeployTarget, releases: ReleaseKit) -> None:
        first, second, third = releases.good("a"), releases.good("b"), releases.good("c")
        _deploy(target, *first)
        outdated = _plan(target, second[0].release)
        _deploy(target, *third)

        with pytest.raises(PlanOutdatedError):
            target.apply(outdated, *second)

        assert releases.ask(target.observe(STAGING)) == "c"

    @pytest.mark.parametrize("kind", ["never_ready", "ends_early", "wrong_answers"])
    def test_a_bad_candidate_leaves_the_old_release_serving(
        self, target: DeployTarget, releases: ReleaseKit, kind: str
    ) -> None:
        good = releases.good("a")
        _deploy(target, *good)
        record, bundle = getattr(releases, kind)()

        with pytest.raises(DeploymentFailedError) as caught:
            target.apply(_plan(target, record.release), record, bundle, smoke=_SMOKE)

        assert caught.value.exit_code == ExitCode.DEPLOYMENT
        assert caught.value.serving == good[0].release.id
        live = target.observe(STAGING)
        assert (live.release, live.is_healthy) == (good[0].release.id, True)
        assert live.known_bad == (record.release.id,)
        assert live.history[-1]["outcome"] == "failed"
        assert releases.ask(live) == "a"

    def test_a_candidate_that_ends_early_shows_its_last_lines(self, target: DeployTarget, releases: ReleaseKit) -> None:
        record, bundle = releases.ends_early()

        with pytest.raises(DeploymentFailedError) as caught:
            target.apply(_plan(target, record.release), record, bundle)

        assert "cannot load the model" in caught.value.last_lines
        assert caught.value.serving is None
        assert target.observe(STAGING).release is None

    def test_a_release_that_failed_is_refused_from_then_on(self, target: DeployTarget, releases: ReleaseKit) -> None:
        record, bundle = releases.ends_early()
        with pytest.raises(DeploymentFailedError):
            target.apply(_plan(target, record.release), record, bundle)

        plan = _plan(target, record.release)

        assert plan.action == "refused"
        assert plan.notes
        with pytest.raises(PlanRefusedError):
            target.apply(plan, record, bundle)

    def test_a_damaged_bundle_is_refused_before_it_is_unpacked(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        _deploy(target, *releases.good("a"))
        record, bundle = releases.good("b")
        bundle.write_bytes(bundle.read_bytes() + b"\0")

        with pytest.raises(BundleDamagedError):
            target.apply(_plan(target, record.release), record, bundle)

        assert releases.ask(target.observe(STAGING)) == "a"

    def test_a_rollback_puts_the_previous_release_back_without_a_build(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        first, second = releases.good("a"), releases.good("b")
        _deploy(target, *first)
        _deploy(target, *second)
        first[1].unlink()

        outcome = target.rollback(STAGING)

        assert outcome.outcome == "rolled-back"
        assert (outcome.live.release, outcome.live.commit) == (first[0].release.id, first[0].commit)
        assert second[0].release.id in outcome.live.known_bad
        assert releases.ask(outcome.live) == "a"

    def test_a_rollback_can_name_its_release(self, target: DeployTarget, releases: ReleaseKit) -> None:
        deployed = [releases.good(label) for label in ("a", "b", "c")]
        for record, bundle in deployed:
            _deploy(target, record, bundle)

        outcome = target.rollback(STAGING, deployed[0][0].release.id)

        assert releases.ask(outcome.live) == "a"

    def test_without_an_earlier_release_there_is_nothing_to_roll_back_to(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        _deploy(target, *releases.good("a"))

        with pytest.raises(NothingToRollBackToError):
            target.rollback(STAGING)
        with pytest.raises(NothingToRollBackToError):
            target.rollback(STAGING, ReleaseId("f" * 64))

    def test_destroying_stops_everything_and_keeps_the_history(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        _deploy(target, *releases.good("a"))

        target.destroy(STAGING)
        target.destroy(STAGING)

        live = target.observe(STAGING)
        assert (live.release, live.url, live.is_healthy) == (None, None, False)
        assert [entry["outcome"] for entry in live.history] == ["deployed", "destroyed"]

    def test_an_environment_can_be_deployed_to_again_after_its_end(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        _deploy(target, *releases.good("a"))
        target.destroy(STAGING)

        outcome = _deploy(target, *releases.good("b"))

        assert releases.ask(outcome.live) == "b"

    def test_environments_do_not_know_of_each_other(self, target: DeployTarget, releases: ReleaseKit) -> None:
        production = EnvironmentName("production")
        record, bundle = releases.good("a")
        _deploy(target, record, bundle)

        try:
            _deploy(target, *releases.good("b"), environment=production)

            assert releases.ask(target.observe(STAGING)) == "a"
            assert releases.ask(target.observe(production)) == "b"
        finally:
            target.destroy(production)

    def test_a_wish_this_target_cannot_meet_is_refused_in_the_plan(
        self, target: DeployTarget, releases: ReleaseKit
    ) -> None:
        record, bundle = releases.good("a")
        release = replace(record.release, settings={"capture": {"to": "carrier-pigeon://loft", "sample": 1.0}})

        plan = _plan(target, release)

        assert plan.action == "refused"
        assert any("carrier-pigeon://loft" in note for note in plan.notes)
        with pytest.raises(PlanRefusedError):
            target.apply(plan, replace(record, release=release), bundle)


def make_record(release: Release, label: str) -> ReleaseRecord:
    """Return a record of `release` from a made-up commit, for kits."""
    from ci_core.deploy.spec import ReleaseRecord

    return ReleaseRecord(release=release, commit=CommitId(label.encode().hex().ljust(40, "0")[:40]))


def _plan(target: DeployTarget, release: Release, environment: EnvironmentName = STAGING) -> Plan:
    live = target.observe(environment)
    return target.plan(environment, release, live, target.stored(environment, live.release) if live.release else None)


def _deploy(
    target: DeployTarget, record: ReleaseRecord, bundle: Path, *, environment: EnvironmentName = STAGING
) -> DeploymentOutcome:
    return target.apply(_plan(target, record.release, environment), record, bundle)
