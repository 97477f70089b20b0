"""The contract of a repository host, as tests: subclass :class:`HostContract` and supply two fixtures.

Write in your tests::

    class TestMyHost(HostContract):
        @pytest.fixture
        def remote(self) -> RemoteKit: ...        # an empty repository on the host, for this test alone

``remote.host()`` is the host under test, ``remote.host("someone")`` the same repository for another user. Say
``pytest.register_assert_rewrite("ci_core.testing.host_contract")`` in a ``conftest.py``, so that pytest explains what
failed. D1, C8 and so on are the lines of the reliability and security checklists that a test stands for.
"""
# ruff: noqa: S101, PLR2004, D102 - these are tests: they assert written-out values and their names are sentences

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import pytest

from ci_core.errors import AlreadyExistsOnHostError, HostBusyError, HostError, HostRefusedError, NotFoundOnHostError
from ci_core.hosts.marker import Marker, Run, content_hash, parse_marker, scope_key, without_marker
from ci_core.hosts.spec import CommitStatus, Topic
from ci_core.hosts.upsert import Delivery, upsert_change_request, upsert_comment, upsert_issue
from ci_core.testing.host_recorder import RecordingHost
from ci_core.types import CommitId, EnvironmentName, ReleaseId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.hosts.base import RepositoryHost
    from ci_core.hosts.spec import ChangeRequest

_SHA = CommitId("0123456789abcdef0123456789abcdef01234567")
_STAGING, _PRODUCTION = EnvironmentName("staging"), EnvironmentName("production")
_R1, _R2 = ReleaseId("1" * 64), ReleaseId("2" * 64)
_PATIENCE_S = 20.0


class RemoteKit(Protocol):
    """A repository on the host under test, and what people do with it; ``main`` is its default and has a commit."""

    def host(self, login: str = "graphship-bot") -> RepositoryHost:
        """Return the repository as `login` sees it."""
        ...

    def push(self, branch: str, files: Mapping[str, str]) -> CommitId:
        """Commit `files` to a branch (a new one begins at ``main``), push, and return the commit."""
        ...

    def merge(self, number: int) -> CommitId:
        """Merge a change request as a person does, with a merge commit, and return that."""
        ...


class _Kit:
    """Fixtures and short-hands of every group of tests."""

    @pytest.fixture
    def remote(self) -> RemoteKit:
        """Supply the repository; a subclass must."""
        raise NotImplementedError

    @pytest.fixture
    def host(self, remote: RemoteKit) -> RepositoryHost:
        return remote.host()

    @pytest.fixture
    def request_one(self, remote: RemoteKit) -> ChangeRequest:
        """An open change request from ``feature``."""
        return _opened(remote, "feature")


def _opened(remote: RemoteKit, branch: str) -> ChangeRequest:
    remote.push(branch, {f"{branch.replace('/', '-')}.txt": "new\n"})
    return remote.host().change_requests.create(
        title=f"Change {branch}", body="why", source_branch=branch, target_branch="main"
    )


def _comment(host: RepositoryHost, topic: Topic, body: str, *, run: int = 1, scope: str = "report") -> Delivery:
    return upsert_comment(host, topic=topic, scope=(scope,), body=body, head=_SHA, run=Run(id=run))


def _bodies(host: RepositoryHost, topic: Topic) -> list[str]:
    return [without_marker(comment.body).strip() for comment in host.comments.list(topic)]


class ChangeRequestContract(_Kit):
    """Change requests."""

    def test_a_new_change_request_is_open_and_knows_its_branches_and_head(self, remote: RemoteKit) -> None:
        head = remote.push("topic/one", {"a.txt": "1\n"})

        made = remote.host().change_requests.create(
            title="Add a", body="because", source_branch="topic/one", target_branch="main"
        )

        assert (made.title, made.body, made.state) == ("Add a", "because", "open")
        assert (made.source_branch, made.target_branch, made.head) == ("topic/one", "main", head)
        assert made.author == "graphship-bot"
        assert made.merge_commit is None
        assert remote.host().change_requests.get(made.number) == made

    def test_the_head_of_an_open_request_follows_its_branch(
        self, remote: RemoteKit, request_one: ChangeRequest
    ) -> None:
        newer = remote.push("feature", {"more.txt": "2\n"})

        assert remote.host().change_requests.get(request_one.number).head == newer

    def test_the_head_of_a_closed_request_is_remembered(self, remote: RemoteKit, request_one: ChangeRequest) -> None:
        remote.host().change_requests.update(request_one.number, state="closed")

        remote.push("feature", {"more.txt": "2\n"})

        closed = remote.host().change_requests.get(request_one.number)
        assert (closed.state, closed.head) == ("closed", request_one.head)
        assert closed.closed_at is not None

    def test_a_merged_request_knows_its_merge_commit(self, remote: RemoteKit, request_one: ChangeRequest) -> None:
        merge_commit = remote.merge(request_one.number)

        merged = remote.host().change_requests.get(request_one.number)
        assert (merged.state, merged.merge_commit, merged.head) == ("merged", merge_commit, request_one.head)

    def test_merged_is_forever_and_not_set_by_update(self, remote: RemoteKit, request_one: ChangeRequest) -> None:
        host = remote.host()

        with pytest.raises(HostRefusedError):
            host.change_requests.update(request_one.number, state="merged")
        remote.merge(request_one.number)
        with pytest.raises(HostRefusedError):
            host.change_requests.update(request_one.number, state="open")

        assert host.change_requests.get(request_one.number).state == "merged"

    def test_a_second_open_request_from_one_branch_is_refused(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        with pytest.raises(AlreadyExistsOnHostError):
            host.change_requests.create(title="again", body="", source_branch="feature", target_branch="main")

        assert [found.number for found in host.change_requests.find(source_branch="feature")] == [request_one.number]

    def test_after_closing_one_a_new_request_from_the_branch_is_possible(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        host.change_requests.update(request_one.number, state="closed")

        second = host.change_requests.create(title="again", body="", source_branch="feature", target_branch="main")

        found = list(host.change_requests.find(source_branch="feature"))
        assert [(one.number, one.state) for one in found] == [
            (second.number, "open"),
            (request_one.number, "closed"),
        ]

    def test_a_request_is_found_by_state_branch_and_every_commit_of_it(self, remote: RemoteKit) -> None:
        early = remote.push("feature", {"feature.txt": "1\n"})
        one, other = _opened(remote, "feature"), _opened(remote, "other")
        merge_commit = remote.merge(one.number)
        find = remote.host().change_requests.find

        assert [found.number for found in find(state="open")] == [other.number]
        assert [found.number for found in find(state="merged")] == [one.number]
        assert [found.number for found in find(source_branch="other")] == [other.number]
        for commit in (early, one.head, merge_commit):
            assert [found.number for found in find(commit=commit)] == [one.number]
        assert list(find(commit=_SHA)) == []

    def test_an_update_changes_what_is_given_and_leaves_the_rest(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        changed = host.change_requests.update(request_one.number, title="better")

        assert (changed.title, changed.body, changed.state) == ("better", "why", "open")

    def test_labels_are_kept(self, remote: RemoteKit) -> None:
        remote.push("feature", {"a.txt": "1\n"})

        made = remote.host().change_requests.create(
            title="t", body="", source_branch="feature", target_branch="main", labels=["retrain", "model"]
        )

        assert set(made.labels) == {"retrain", "model"}

    def test_an_unknown_number_is_not_found(self, host: RepositoryHost) -> None:
        with pytest.raises(NotFoundOnHostError):
            host.change_requests.get(4711)

    def test_change_requests_and_issues_never_share_a_topic(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        issue = host.issues.create(title="i", body="")

        host.comments.create(issue.topic, "on the issue")

        assert _bodies(host, request_one.topic) == []
        assert _bodies(host, issue.topic) == ["on the issue"]


class RecordContract(_Kit):
    """Comments, issues, statuses, deployments: plain reads and writes."""

    def test_comments_come_oldest_first_with_their_authors(self, remote: RemoteKit, request_one: ChangeRequest) -> None:
        remote.host().comments.create(request_one.topic, "first")
        remote.host("ada").comments.create(request_one.topic, "second")

        comments = list(remote.host().comments.list(request_one.topic))

        assert [(one.author, one.body) for one in comments] == [("graphship-bot", "first"), ("ada", "second")]

    def test_a_comment_is_edited_and_deleted(self, host: RepositoryHost, request_one: ChangeRequest) -> None:
        kept = host.comments.create(request_one.topic, "old")
        gone = host.comments.create(request_one.topic, "gone")

        host.comments.update(kept, "new")
        host.comments.delete(gone)

        assert _bodies(host, request_one.topic) == ["new"]
        with pytest.raises(NotFoundOnHostError):
            host.comments.delete(gone)

    def test_a_comment_changed_since_it_was_read_is_not_overwritten(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        read = host.comments.create(request_one.topic, "as read")
        host.comments.update(read, "changed meanwhile")

        with pytest.raises(HostError) as caught:
            host.comments.update(read, "from old knowledge")

        assert caught.value.is_temporary
        assert _bodies(host, request_one.topic) == ["changed meanwhile"]

    def test_comments_on_nothing_are_refused(self, host: RepositoryHost) -> None:
        with pytest.raises(NotFoundOnHostError):
            host.comments.create(Topic("change-request", 4711), "hello?")

    def test_unicode_and_markdown_come_back_as_they_went(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        text = "| a | ü |\n|---|---|\n| `x` | 漢字 🚢 |\n\n<!-- hidden -->"

        host.comments.create(request_one.topic, text)

        assert [comment.body for comment in host.comments.list(request_one.topic)] == [text]

    def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        host.comments.create(request_one.topic, "x" * host.body_limit)

        with pytest.raises(HostRefusedError):
            host.comments.create(request_one.topic, "x" * (host.body_limit + 1))

        assert len(_bodies(host, request_one.topic)) == 1

    def test_issues_are_found_by_label_and_state_newest_first(self, host: RepositoryHost) -> None:
        first = host.issues.create(title="one", body="a", labels=["drift"])
        second = host.issues.create(title="two", body="b", labels=["drift", "urgent"])
        host.issues.create(title="three", body="c", labels=["other"])
        host.issues.update(first.number, state="closed")

        assert [found.number for found in host.issues.find(label="drift")] == [second.number, first.number]
        assert [found.number for found in host.issues.find(label="drift", state="open")] == [second.number]
        assert [found.number for found in host.issues.find(label="drif")] == []

    def test_an_issue_is_closed_and_reopened_with_all_else_kept(self, host: RepositoryHost) -> None:
        made = host.issues.create(title="one", body="a", labels=["drift"])

        host.issues.update(made.number, state="closed")
        again = host.issues.update(made.number, state="open", body="b")

        assert (again.title, again.body, again.state, again.labels) == ("one", "b", "open", ("drift",))

    def test_the_newest_status_of_each_context_stands(self, host: RepositoryHost, request_one: ChangeRequest) -> None:
        head = request_one.head

        for context, state in (("graphship/report", "pending"), ("graphship/drift", "success")):
            host.statuses.set(CommitStatus(commit=head, context=context, state=state, description="first"))  # type: ignore[arg-type]  # literals from a tuple
        host.statuses.set(
            CommitStatus(commit=head, context="graphship/report", state="failure", description="auc fell", url=None)
        )

        lights = {status.context: (status.state, status.description) for status in host.statuses.list(head)}
        assert lights == {"graphship/report": ("failure", "auc fell"), "graphship/drift": ("success", "first")}

    def test_a_commit_without_statuses_has_none(self, host: RepositoryHost, request_one: ChangeRequest) -> None:
        assert list(host.statuses.list(request_one.head)) == []

    def test_a_success_makes_the_earlier_success_of_that_environment_inactive(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        self._need(host, "deployments")
        head, deployments = request_one.head, host.deployments
        first = deployments.create(environment=_STAGING, commit=head, release=_R1)
        elsewhere = deployments.create(environment=_PRODUCTION, commit=head, release=_R1)
        deployments.update(first, state="success", url="http://127.0.0.1:8080")
        deployments.update(elsewhere, state="success")

        second = deployments.create(environment=_STAGING, commit=head, release=_R2)

        assert [record.state for record in deployments.list(_STAGING)] == ["in-progress", "success"]
        deployments.update(second, state="success", description="live")
        assert [(record.release, record.state) for record in deployments.list(_STAGING)] == [
            (_R2, "success"),
            (_R1, "inactive"),
        ]
        assert [record.state for record in deployments.list(_PRODUCTION)] == ["success"]

    def test_a_failed_deployment_leaves_the_earlier_one_standing(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        self._need(host, "deployments")
        deployments = host.deployments
        first = deployments.create(environment=_STAGING, commit=request_one.head, release=_R1)
        deployments.update(first, state="success")
        second = deployments.create(environment=_STAGING, commit=request_one.head, release=_R2)

        deployments.update(second, state="failure", description="not ready", log_url="https://example.org/log")

        newest, older = deployments.list(_STAGING)
        assert (newest.state, newest.description, newest.log_url) == (
            "failure",
            "not ready",
            "https://example.org/log",
        )
        assert older.state == "success"

    def test_a_file_is_read_as_it_was_in_a_commit(self, remote: RemoteKit) -> None:
        before = remote.push("feature", {"conf/a b.yaml": "one\n"})
        remote.push("feature", {"conf/a b.yaml": "two\n"})
        host = remote.host()

        assert host.read_file("conf/a b.yaml", commit=before) == b"one\n"
        assert host.read_file("conf/none.yaml", commit=before) is None
        with pytest.raises(NotFoundOnHostError):
            host.read_file("conf/a b.yaml", commit=_SHA)

    def test_access_of_a_sound_token_denies_nothing_and_names_what_each_action_takes(
        self, host: RepositoryHost
    ) -> None:
        access = host.access()

        assert False not in access.allowed.values()
        for action in ("comment", "issue", "status", "change-request", "push"):
            assert access.needs[action]

    def test_addresses_of_commits_and_files_name_the_commit(self, host: RepositoryHost) -> None:
        assert _SHA in host.commit_url(_SHA)
        address = host.file_url(_SHA, "dvc.yaml", 3)
        assert address is None or _SHA in address

    def test_a_draft_is_opened_as_one_where_the_host_has_drafts(self, remote: RemoteKit) -> None:
        self._need(remote.host(), "draft")
        remote.push("feature", {"a.txt": "1\n"})

        made = remote.host().change_requests.create(
            title="t", body="", source_branch="feature", target_branch="main", is_draft=True
        )

        assert made.is_draft
        assert remote.host().change_requests.get(made.number).title == "t"

    @staticmethod
    def _need(host: RepositoryHost, capability: str) -> None:
        if capability not in host.capabilities:
            pytest.skip(f"{host.name} declares no {capability}")


class UpsertContract(_Kit):
    """Exactly once, on this host."""

    def test_the_same_run_twice_makes_one_comment_and_writes_once(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        """D1, D6."""
        recording = RecordingHost(host)

        first = _comment(recording, request_one.topic, "auc 0.71", run=1)
        second = _comment(recording, request_one.topic, "auc 0.71", run=2)

        assert (first.outcome, second.outcome) == ("created", "unchanged")
        assert recording.writes == ["comments.create"]
        assert first.url == second.url

    def test_a_newer_run_edits_the_comment_in_place(self, host: RepositoryHost, request_one: ChangeRequest) -> None:
        first = _comment(host, request_one.topic, "auc 0.71", run=1)

        second = _comment(host, request_one.topic, "auc 0.74", run=2)

        assert (second.outcome, second.url) == ("updated", first.url)
        assert _bodies(host, request_one.topic) == ["auc 0.74"]

    def test_an_older_run_never_overwrites_a_newer(self, host: RepositoryHost, request_one: ChangeRequest) -> None:
        """D2, with attempts of one run too."""
        scope, head = ("report",), _SHA
        upsert_comment(host, topic=request_one.topic, scope=scope, body="new", head=head, run=Run(id=7, attempt=2))

        for run in (Run(id=7, attempt=1), Run(id=6, attempt=9)):
            late = upsert_comment(host, topic=request_one.topic, scope=scope, body="old", head=head, run=run)
            assert late.outcome == "superseded"

        assert _bodies(host, request_one.topic) == ["new"]

    def test_scopes_have_comments_of_their_own_even_when_one_name_contains_the_other(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        """D3."""
        for scope in ("non-prod", "prod"):
            _comment(host, request_one.topic, f"for {scope}", scope=scope)
        _comment(host, request_one.topic, "for prod, again", scope="prod", run=2)

        assert _bodies(host, request_one.topic) == ["for non-prod", "for prod, again"]

    def test_ours_is_found_behind_150_comments(self, remote: RemoteKit, request_one: ChangeRequest) -> None:
        """D4: the interesting comment is on the second page of every host."""
        host, person = remote.host(), remote.host("ada")
        for index in range(149):
            person.comments.create(request_one.topic, f"remark {index}")
        ours = _comment(host, request_one.topic, "auc 0.71")

        again = _comment(host, request_one.topic, "auc 0.74", run=2)

        assert (again.outcome, again.url) == ("updated", ours.url)
        assert len(_bodies(host, request_one.topic)) == 150

    def test_a_marker_of_another_author_is_neither_edited_nor_believed(
        self, remote: RemoteKit, request_one: ChangeRequest
    ) -> None:
        """C8, C9."""
        forged = Marker(key=scope_key(("report",)), sha=_SHA, run=Run(id=999), body=content_hash("auc 0.71"))
        remote.host("mallory").comments.create(request_one.topic, forged.attach("auc 0.99"))

        delivery = _comment(remote.host(), request_one.topic, "auc 0.71")

        assert delivery.outcome == "created"
        assert _bodies(remote.host(), request_one.topic) == ["auc 0.99", "auc 0.71"]

    def test_our_comment_deleted_by_a_person_comes_back_once(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        """D5."""
        _comment(host, request_one.topic, "auc 0.71")
        for comment in list(host.comments.list(request_one.topic)):
            host.comments.delete(comment)

        outcomes = [_comment(host, request_one.topic, "auc 0.71", run=run).outcome for run in (2, 3)]

        assert outcomes == ["created", "unchanged"]

    def test_two_runs_that_both_see_no_comment_end_with_one_from_the_newer(
        self, remote: RemoteKit, request_one: ChangeRequest
    ) -> None:
        """D7: a barrier makes both look before either writes."""
        deliveries = _race(
            "comments.list",
            remote,
            lambda host: _comment(host, request_one.topic, "of run 6", run=6),
            lambda host: _comment(host, request_one.topic, "of run 7", run=7),
        )

        assert _bodies(remote.host(), request_one.topic) == ["of run 7"]
        standing = next(iter(remote.host().comments.list(request_one.topic)))
        assert {delivery.url for delivery in deliveries} == {standing.url}

    def test_a_newer_run_between_the_look_and_the_write_of_an_older_wins(
        self, remote: RemoteKit, request_one: ChangeRequest
    ) -> None:
        """D8: list(old), post(new), post(old)."""
        _comment(remote.host(), request_one.topic, "of run 5", run=5)
        pending = [lambda: _comment(remote.host(), request_one.topic, "of run 7", run=7)]

        def newer_comes_first(call: str) -> None:
            if call == "comments.list" and pending:
                pending.pop()()

        late = _comment(RecordingHost(remote.host(), after=newer_comes_first), request_one.topic, "of run 6", run=6)

        assert late.outcome == "superseded"
        assert _bodies(remote.host(), request_one.topic) == ["of run 7"]

    def test_a_create_whose_answer_was_lost_is_not_repeated(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        """D11: 502 after the comment was stored."""
        recording = RecordingHost(host, after=_lost_once("comments.create"))

        delivery = _comment(recording, request_one.topic, "auc 0.71")

        assert _bodies(host, request_one.topic) == ["auc 0.71"]
        assert delivery.outcome == "unchanged"  # seen when looking again
        assert recording.writes == ["comments.create"]

    def test_a_create_that_failed_before_it_was_stored_is_tried_again(
        self, host: RepositoryHost, request_one: ChangeRequest
    ) -> None:
        """D12."""
        recording = RecordingHost(host, before=_lost_once("comments.create"))

        assert _comment(recording, request_one.topic, "auc 0.71").outcome == "created"

        assert _bodies(host, request_one.topic) == ["auc 0.71"]

    def test_an_issue_is_opened_edited_closed_and_reopened_in_place(self, host: RepositoryHost) -> None:
        """D46: same drift twice, resolved, again."""
        recording = RecordingHost(host)

        def say(body: str, *, is_open: bool, run: int) -> Delivery:
            return upsert_issue(
                recording,
                scope=("monitor", "flights", "staging"),
                title="Drift in staging" if is_open else "No drift in staging",
                body=body,
                labels=["graphship:monitor"],
                is_open=is_open,
                head=_SHA,
                run=Run(id=run),
            )

        quiet = say("all is well", is_open=False, run=1)
        told = [
            say("temp moved", is_open=True, run=2),
            say("temp moved", is_open=True, run=3),
            say("temp and dewp moved", is_open=True, run=4),
            say("all is well", is_open=False, run=5),
            say("all is well", is_open=False, run=6),
            say("temp moved", is_open=True, run=7),
            say("from yesterday", is_open=True, run=6),
        ]

        assert (quiet.outcome, quiet.url) == ("unchanged", None)
        assert [delivery.outcome for delivery in told] == [
            "created",
            "unchanged",
            "updated",
            "closed",
            "unchanged",
            "reopened",
            "superseded",
        ]
        assert recording.writes == ["issues.create", "issues.update", "issues.update", "issues.update"]
        (issue,) = host.issues.find(label="graphship:monitor")
        assert (issue.title, issue.state, without_marker(issue.body)) == ("Drift in staging", "open", "temp moved")

    def test_an_issue_that_a_person_closed_stays_closed_until_there_is_news(self, remote: RemoteKit) -> None:
        host = remote.host()

        def say(body: str, run: int) -> Delivery:
            return upsert_issue(
                host,
                scope=("monitor",),
                title="Drift",
                body=body,
                labels=["graphship:monitor"],
                is_open=True,
                head=_SHA,
                run=Run(id=run),
            )

        number = say("temp moved", 1).number
        assert number is not None
        remote.host("ada").issues.update(number, state="closed")

        outcomes = [say("temp moved", 2).outcome, say("temp and dewp moved", 3).outcome]

        assert outcomes == ["unchanged", "reopened"]

    def test_two_runs_that_both_see_no_issue_leave_one_open(self, remote: RemoteKit) -> None:
        """D7, for issues."""

        def say(host: RepositoryHost, run: int) -> Delivery:
            return upsert_issue(
                host,
                scope=("monitor",),
                title="Drift",
                body=f"of run {run}",
                labels=["graphship:monitor"],
                is_open=True,
                head=_SHA,
                run=Run(id=run),
            )

        _race("issues.find", remote, lambda host: say(host, 6), lambda host: say(host, 7))

        (standing,) = remote.host().issues.find(label="graphship:monitor", state="open")
        assert without_marker(standing.body) == "of run 7"

    def test_a_change_request_is_opened_once_and_edited_in_place(self, remote: RemoteKit) -> None:
        """D9."""
        recording = RecordingHost(remote.host())
        head = remote.push("graphship/retrain/flights/staging", {"data.dvc": "v2\n"})

        def say(body: str, run: int) -> Delivery:
            return upsert_change_request(
                recording,
                scope=("retrain", "flights", "staging"),
                branch="graphship/retrain/flights/staging",
                target_branch="main",
                title="Retrain flights",
                body=body,
                labels=["retrain"],
                head=head,
                run=Run(id=run),
            )

        told = [say("14 windows", 1), say("14 windows", 2), say("16 windows", 3), say("stale", 2)]

        assert [delivery.outcome for delivery in told] == ["created", "unchanged", "updated", "superseded"]
        assert recording.writes == ["change_requests.create", "change_requests.update"]
        (standing,) = remote.host().change_requests.find(state="open")
        assert (standing.labels, without_marker(standing.body)) == (("retrain",), "16 windows")
        marker = parse_marker(standing.body)
        assert marker is not None
        assert marker.sha == head

    def test_labels_that_a_run_did_not_come_to_are_given_by_the_next_one(self, remote: RemoteKit) -> None:
        """D20: ended between opening the request and labelling it."""
        head = remote.push("retrain", {"data.dvc": "v2\n"})
        marker = Marker(
            key=scope_key(("retrain",)), sha=head, run=Run(id=1), body=content_hash("Retrain", "14 windows")
        )
        host = remote.host()
        host.change_requests.create(
            title="Retrain", body=marker.attach("14 windows"), source_branch="retrain", target_branch="main"
        )

        for run in (2, 3):
            upsert_change_request(
                host,
                scope=("retrain",),
                branch="retrain",
                target_branch="main",
                title="Retrain",
                body="14 windows",
                labels=["retrain"],
                head=head,
                run=Run(id=run),
            )

        (standing,) = host.change_requests.find(source_branch="retrain")
        assert (standing.labels, without_marker(standing.body)) == (("retrain",), "14 windows")

    def test_a_change_request_that_somebody_else_opened_from_the_branch_is_left_alone(self, remote: RemoteKit) -> None:
        remote.push("retrain", {"data.dvc": "v2\n"})
        theirs = remote.host("ada").change_requests.create(
            title="by hand", body="mine", source_branch="retrain", target_branch="main"
        )

        delivery = upsert_change_request(
            remote.host(),
            scope=("retrain",),
            branch="retrain",
            target_branch="main",
            title="Retrain",
            body="ours",
            head=_SHA,
            run=Run(id=1),
        )

        assert (delivery.outcome, delivery.number) == ("superseded", theirs.number)
        assert remote.host().change_requests.get(theirs.number).body == "mine"


class HostContract(ChangeRequestContract, RecordContract, UpsertContract):
    """Everything that a host must pass."""


def _race(
    call: str,
    remote: RemoteKit,
    one: Callable[[RepositoryHost], Delivery],
    other: Callable[[RepositoryHost], Delivery],
) -> list[Delivery]:
    """Run both at once; both have made their first `call` before either goes on."""
    barrier = threading.Barrier(2, timeout=_PATIENCE_S)
    deliveries: list[Delivery] = []
    failures: list[BaseException] = []

    def take_part(act: Callable[[RepositoryHost], Delivery]) -> None:
        waits = [barrier.wait]

        def meet(done: str) -> None:
            if done == call and waits:
                waits.pop()()

        try:
            deliveries.append(act(RecordingHost(remote.host(), after=meet)))
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            failures.append(error)

    threads = [threading.Thread(target=take_part, args=(act,)) for act in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert failures == []
    return deliveries


def _lost_once(call: str) -> Callable[[str], None]:
    """Return a hook that fails the first `call` in a way that may be tried again."""
    failures = [HostBusyError(lock="502 Bad Gateway", waited_s=0)]

    def hook(done: str) -> None:
        if done == call and failures:
            raise failures.pop()

    return hook
