"""What becomes of retrain change requests on a host, and of the one remark on them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ci_core.ci.context import Context
from ci_core.config.settings import RetrainChangeRequestSettings, Settings
from ci_core.errors import HostUnreachableError
from ci_core.hosts.local import LocalHost
from ci_core.hosts.marker import Run, parse_marker
from ci_core.hosts.spec import Access
from ci_core.operations.project import Project
from ci_core.operations.retrain_request import WAITING_CHECKS, Requests, find_requests, notes_on_checks
from ci_core.reports.document import Banner, Document
from ci_core.reports.redact import Redactor
from ci_core.retrain.champion import Comparison, Score
from ci_core.retrain.change_request import RetrainCase
from ci_core.retrain.dataset import DatasetCounts
from ci_core.retrain.spec import RetrainDecision
from ci_core.testing.fake_repository import FakeRepository
from ci_core.types import CommitId

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.spec import ChangeRequest, TokenKind

BRANCH = "graphship/retrain/flights/staging"
SECRET = "planted-secret-4711"
CASE = RetrainCase(
    project="flights",
    environment="staging",
    decision=RetrainDecision(should=True, slug="drift", reason="`temp` moved", evidence_key="r1:aa", windows=()),
    columns=(),
    comparison=Comparison(
        task="regression",
        rows=10,
        blocks=40,
        scores=(Score(name="squared-error", champion=2.0, challenger=1.0, is_lower_better=True, decides=True),),
        difference=1.0,
        interval=(0.5, 1.5),
        verdict="better",
    ),
    data=f"data/{SECRET}.parquet",
    counts=DatasetCounts(old=1, captured=1, unlabelled=0, duplicates=0, added=1, dropped=0, rows=2),
)


class Place:
    """A repository in memory with a host, as a run finds it."""

    def __init__(self, folder: Path) -> None:
        self.git = FakeRepository()
        self.git.push("main", {"a": "1"})
        self.head = self.git.push(BRANCH, {"a": "2"}, start="main")
        self.host = LocalHost(folder / "x.git", folder, git=self.git)
        self.project = Project(
            settings=Settings(root=folder, name="flights"),
            git=cast("Any", None),
            dvc=cast("Any", None),
            engine=cast("Any", None),
            ledger=cast("Any", None),
            find_host=lambda: self.host,
            target=cast("Any", None),
            console=cast("Any", None),
            now=cast("Any", None),
            redactor=Redactor((SECRET,)),
        )

    def requests(self, run_id: int = 1) -> Requests:
        context = Context(system="plain", event="schedule", head=CommitId("c" * 40), run_id=run_id)
        return find_requests(self.project, context, self.host, "staging")

    def propose(self, run_id: int = 1, settings: RetrainChangeRequestSettings | None = None) -> ChangeRequest:
        self.requests(run_id).propose(_case(), self.head, settings or RetrainChangeRequestSettings())
        return next(iter(self.host.change_requests.find(source_branch=BRANCH)))

    def remarks(self, request: ChangeRequest) -> list[str]:
        return [comment.body for comment in self.host.comments.list(request.topic)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _case() -> RetrainCase:
    return replace(CASE, decision=replace(CASE.decision, windows=_windows()))


def _windows() -> Any:
    return (SimpleNamespace(label="2024-02-01"),)


def _text(title: str) -> Document:
    return Document(banner=Banner(tone="warn", title=title), blocks=())


def test_the_settings_of_the_request_reach_the_host(place: Place) -> None:
    settings = RetrainChangeRequestSettings(labels=("a", "b"), reviewers=("ann",), is_draft=True)

    request = place.propose(settings=settings)

    assert (request.labels, request.reviewers, request.is_draft) == (("a", "b"), ("ann",), True)
    assert not Place(place.project.root / "other").propose().is_draft


def test_a_secret_reaches_neither_request_nor_remark(place: Place) -> None:
    request = place.propose()
    place.requests().remark(_text(f"about {SECRET}"), essence="1")

    assert SECRET not in request.title + request.body + "".join(place.remarks(request))
    assert "data/" in request.body


def test_a_request_that_was_written_is_found_with_what_was_pushed_and_by_whom(place: Place) -> None:
    place.propose(run_id=12)

    found = place.requests(run_id=13)

    assert found.standing is not None
    assert (found.standing.evidence, found.standing.run) == ("r1:aa", Run(id=12, attempt=1))
    assert found.settled == {place.head}
    assert (found.run, found.url) == (Run(id=13, attempt=1), found.standing.url)


def test_a_persons_command_writes_after_the_run_that_wrote_last(place: Place) -> None:
    assert place.requests(run_id=0).run == Run(id=0, attempt=1)
    place.propose(run_id=12)

    assert place.requests(run_id=0).run == Run(id=12, attempt=2)


def test_there_is_one_remark_which_is_written_when_its_essence_changes(place: Place) -> None:
    request = place.propose()

    outcomes = []
    for title, essence in (("one", "1"), ("one, on another day", "1"), ("two", "2")):
        delivery = place.requests().remark(_text(title), essence=essence)
        outcomes.append(delivery.outcome if delivery else None)

    assert outcomes == ["created", "unchanged", "updated"]
    (remark,) = place.remarks(request)
    assert "two" in remark
    assert parse_marker(remark) is not None


def test_without_an_open_request_the_remark_goes_to_the_last_one(place: Place) -> None:
    assert place.requests().remark(_text("nobody hears"), essence="1") is None
    request = place.propose()
    place.host.change_requests.update(request.number, state="closed")

    place.requests().remark(_text("after it was closed"), essence="1")

    assert len(place.remarks(request)) == 1


def test_a_request_that_became_pointless_is_closed_with_the_reason(place: Place) -> None:
    place.requests().close(_text("why"), essence="1")
    assert list(place.host.change_requests.find()) == []
    request = place.propose()

    place.requests().close(_text("why"), essence="1")

    assert place.host.change_requests.get(request.number).state == "closed"
    assert "why" in place.remarks(request)[0]


def test_what_a_merge_settled_may_be_replaced(place: Place) -> None:
    request = place.propose()
    theirs = place.git.push(BRANCH, {"a": "3"})
    place.host.merge(request.number)

    assert theirs in place.requests().settled


@pytest.mark.parametrize(
    ("name", "token", "notes"),
    [
        ("github", "job", (WAITING_CHECKS,)),
        ("github", "app", ()),
        ("github", "personal", ()),
        ("gitlab", "job", ()),
        ("local", "none", ()),
    ],
)
def test_only_a_jobs_own_token_on_github_keeps_checks_waiting(
    name: str, token: TokenKind, notes: tuple[str, ...]
) -> None:
    host = cast("RepositoryHost", SimpleNamespace(name=name, access=lambda: Access(token=token)))

    assert notes_on_checks(host) == notes


def test_a_host_that_does_not_tell_of_our_token_stops_nothing() -> None:
    def fail() -> Access:
        raise HostUnreachableError(host="github.com", action="look", reason="timed out")

    assert notes_on_checks(cast("RepositoryHost", SimpleNamespace(name="github", access=fail))) == ()
