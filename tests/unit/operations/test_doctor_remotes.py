"""What a token may not do, against what the settings make us do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.config.settings import EnvironmentSettings, MonitorSettings, RetrainSettings, Settings
from ci_core.hosts.spec import Access
from ci_core.operations.doctor_remotes import access_findings, needed_actions
from ci_core.types import EnvironmentName

if TYPE_CHECKING:
    from ci_core.hosts.spec import Action

PLAIN = Settings(root=Path("/project"), name="flights")
NEEDS: dict[Action, str] = {
    "read": "contents: read",
    "comment": "pull-requests: write",
    "status": "statuses: write",
    "deployment": "deployments: write",
    "issue": "issues: write",
    "push": "contents: write",
    "change-request": "pull-requests: write",
}


def whole_loop() -> Settings:
    return Settings(
        root=Path("/project"),
        name="flights",
        environments=(EnvironmentSettings(name=EnvironmentName("staging"), target="local"),),
        monitor=MonitorSettings(reference="data/train.parquet", window=timedelta(hours=24)),
        retrain=RetrainSettings(data="data/train.parquet", cool_down=timedelta(hours=24)),
    )


def slugs(settings: Settings, denied: Action) -> list[tuple[str, str]]:
    access = Access(token="job", allowed={**dict.fromkeys(NEEDS, True), denied: False}, needs=NEEDS)
    return [(finding.slug, finding.fact) for finding in access_findings(settings, access, "github")]


def test_a_project_that_only_reports_needs_little() -> None:
    assert needed_actions(PLAIN) == ("read", "comment", "status")


def test_the_whole_loop_needs_every_action() -> None:
    assert set(needed_actions(whole_loop())) == set(NEEDS)


def test_each_permission_that_is_missing_is_named_and_only_that() -> None:
    """C20."""
    found = {action: slugs(whole_loop(), action) for action in NEEDS}

    assert all(len(findings) == 1 for findings in found.values())
    assert found["status"] == [
        ("host-permission", "the token may not set a light on a commit: it lacks `statuses: write`")
    ]
    assert {action: fact.rpartition("`")[0].rpartition("`")[2] for action, ((_, fact),) in found.items()} == NEEDS


def test_what_the_settings_do_not_need_may_be_missing() -> None:
    assert slugs(PLAIN, "issue") == []


def test_what_the_host_does_not_tell_is_no_finding() -> None:
    access = Access(token="app", allowed=dict.fromkeys(NEEDS), needs=NEEDS)

    assert list(access_findings(whole_loop(), access, "github")) == []


def test_what_a_kind_of_token_cannot_do_is_a_note() -> None:
    access = Access(token="job", allowed=dict.fromkeys(NEEDS, True), needs=NEEDS, notes=("Checks wait for a person.",))

    (note,) = access_findings(whole_loop(), access, "github")

    assert (note.level, note.fact) == ("note", "Checks wait for a person.")
