"""What GitHub says, as our errors. Messages and headers as in GitHub's documentation of its REST interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from github import BadCredentialsException, GithubException, RateLimitExceededException, UnknownObjectException
from github.Requester import Requester

from ci_core.errors import (
    AlreadyExistsOnHostError,
    HostAnswerError,
    HostError,
    HostLimitError,
    HostPermissionError,
    HostRefusedError,
    HostTokenError,
    HostUnreachableError,
    NotFoundOnHostError,
)
from ci_core.hosts.choose import HostChoice
from ci_core.hosts.github.answers import UnusableAnswerError
from ci_core.hosts.github.client import translated_error
from ci_core.hosts.github.permissions import PULL_REQUESTS, READ_PULL_REQUESTS, STATUSES, Token
from ci_core.hosts.github.refusals import Answer, Doing, Refusals
from ci_core.hosts.github.transport import RedirectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOB = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
_CLASSIC = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
_FINE = "github_pat_0123456789abcdefghijkl_0123456789"
_COMMENTING = Doing(action="comment on change request 5", needs=PULL_REQUESTS, kind="change request", name="5")

_READING = Doing(action="list the comments", needs=READ_PULL_REQUESTS, kind="change request", name="5")


def _refusals(token: str | None = _JOB, variable: str | None = "GITHUB_TOKEN") -> Refusals:
    choice = HostChoice(kind="github", token=token, token_variable=variable if token else None)
    return Refusals(place="github.com/acme/flights", repository="acme/flights", token=Token.of(choice))


def _translated(
    status: int,
    message: str = "",
    headers: Mapping[str, str] | None = None,
    *details: Mapping[str, object],
    token: str | None = _JOB,
) -> HostError:
    answer = Answer(status=status, message=message, details=details, headers=headers or {})
    return _refusals(token).translate(answer, _COMMENTING)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "Problems parsing JSON", HostRefusedError),
        (401, "Bad credentials", HostTokenError),
        (401, "Requires authentication", HostTokenError),
        (403, "Resource not accessible by integration", HostPermissionError),
        (403, "Resource not accessible by personal access token", HostPermissionError),
        (403, "Must have admin rights to Repository.", HostPermissionError),
        (403, "GitHub Actions is not permitted to create or approve pull requests.", HostPermissionError),
        (403, "Repository was archived so is read-only.", HostRefusedError),
        (403, "API rate limit exceeded for installation ID 1.", HostLimitError),
        (
            403,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            HostLimitError,
        ),
        (403, "You have triggered an abuse detection mechanism.", HostLimitError),
        (403, "", HostRefusedError),
        (404, "Not Found", NotFoundOnHostError),
        (404, "No commit found for the ref 0123", NotFoundOnHostError),
        (409, "Conflict", HostRefusedError),
        (410, "Issues are disabled for this repo", HostRefusedError),
        (422, "No commit found for SHA: 0123", NotFoundOnHostError),
        (422, "Validation Failed", HostRefusedError),
        (429, "", HostLimitError),
        (451, "Repository access blocked", HostRefusedError),
        (500, "Server Error", HostUnreachableError),
        (502, "", HostUnreachableError),
        (503, "", HostUnreachableError),
        (504, "", HostUnreachableError),
    ],
)
def test_each_refusal_is_the_error_that_it_means(status: int, message: str, error: type[HostError]) -> None:
    assert type(_translated(status, message)) is error


@pytest.mark.parametrize(
    ("status", "is_temporary"),
    [(401, False), (404, False), (410, False), (422, False), (451, False), (429, True), (500, True), (502, True)],
)
def test_only_what_may_pass_by_itself_is_temporary(status: int, is_temporary: bool) -> None:
    assert _translated(status).is_temporary is is_temporary


def test_a_missing_permission_of_a_job_names_the_line_to_add_to_the_workflow() -> None:
    error = _translated(403, "Resource not accessible by integration")

    assert isinstance(error, HostPermissionError)
    assert error.permission == "pull-requests: write"
    assert error.hint == "add `pull-requests: write` under `permissions:` of the job"
    assert error.fact == "the token may not comment on change request 5: it lacks `pull-requests: write`"


@pytest.mark.parametrize(
    ("accepted", "named"),
    [
        ("issues=write; pull_requests=write", "pull-requests: write"),
        ("contents=write", "contents: write"),
        ("", "pull-requests: write"),
        ("metadata", "pull-requests: write"),
    ],
)
def test_of_the_permissions_that_github_would_accept_ours_is_named_if_it_is_one(accepted: str, named: str) -> None:
    headers = {"x-accepted-github-permissions": accepted}

    error = _translated(403, "Resource not accessible by integration", headers)

    assert isinstance(error, HostPermissionError)
    assert error.permission == named


def test_a_fine_grained_token_is_told_its_permission_as_the_settings_page_spells_it() -> None:
    error = _translated(403, "Resource not accessible by personal access token", token=_FINE)

    assert isinstance(error, HostPermissionError)
    assert error.permission == "Pull requests: Read and write"
    assert error.hint == "give the token `Pull requests: Read and write` for this repository"


@pytest.mark.parametrize("status", [403, 404])
def test_a_classic_token_without_the_scope_is_told_so_although_github_says_not_found(status: int) -> None:
    error = _translated(status, "Not Found", {"x-oauth-scopes": "gist, read:org"}, token=_CLASSIC)

    assert isinstance(error, HostPermissionError)
    assert error.permission == "repo"
    assert "scope `repo`" in str(error.hint)


def test_a_classic_token_with_the_scope_is_told_that_nothing_is_there() -> None:
    error = _translated(404, "Not Found", {"x-oauth-scopes": "repo"}, token=_CLASSIC)

    assert isinstance(error, NotFoundOnHostError)


def test_single_sign_on_is_told_as_a_matter_of_the_token() -> None:
    headers = {"x-github-sso": "required; url=https://github.com/orgs/acme/sso?authorization_request=AAAA"}

    error = _translated(403, "Resource protected by organization SAML enforcement.", headers, token=_CLASSIC)

    assert isinstance(error, HostTokenError)
    assert "single sign-on" in error.fact
    assert "AAAA" not in f"{error.fact} {error.hint}"


def test_the_setting_that_keeps_actions_from_opening_requests_is_named() -> None:
    error = _translated(403, "GitHub Actions is not permitted to create or approve pull requests.")

    assert isinstance(error, HostPermissionError)
    assert error.permission == "Allow GitHub Actions to create and approve pull requests"
    assert "Settings, Actions, General" in str(error.hint)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:40 GMT", "date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 40.0),
        ({"retry-after": "soon"}, None),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795424460", "date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            60.0,
        ),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1795424460.5",
                "date": "Mon, 23 Nov 2026 09:00:00 GMT",
            },
            60.0,
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795424300", "date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            0.0,
        ),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1795424460"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [403, 429])
def test_a_limit_waits_as_long_as_github_says_by_its_own_clock(
    status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    error = _translated(status, "You have exceeded a secondary rate limit.", headers)

    assert isinstance(error, HostLimitError)
    assert error.wait_s == wait_s


def test_without_a_date_of_the_host_our_own_clock_serves() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 600)}

    error = _translated(403, "API rate limit exceeded", headers)

    assert isinstance(error, HostLimitError)
    assert error.wait_s == pytest.approx(600, abs=30)


def test_a_missing_permission_is_no_limit_although_the_budget_ends_with_it() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795424460"}

    assert isinstance(_translated(403, "Resource not accessible by integration", headers), HostPermissionError)


def test_a_404_says_that_private_repositories_look_missing_until_one_answer_came() -> None:
    refusals, answer = _refusals(), Answer(status=404, message="Not Found")

    before = refusals.translate(answer, _READING)
    refusals.is_known_to_exist = True
    after = refusals.translate(answer, _READING)

    assert "private repository" in str(before.hint)
    assert after.hint is None
    assert after.fact == "there is no change request `5`"


def test_a_404_to_a_person_s_write_says_that_the_token_may_only_read() -> None:
    """GitHub tells a person's token without the right to write that nothing is there."""
    refusals = _refusals(_FINE)
    refusals.is_known_to_exist = True

    error = refusals.translate(Answer(status=404, message="Not Found"), _COMMENTING)

    assert error.hint == (
        "if it is there, the token may read it and not write: give the token `Pull requests: Read and write` for this "
        "repository"
    )


@pytest.mark.parametrize(
    "detail",
    [
        {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for acme:feature."},
        {"resource": "Label", "code": "already_exists", "field": "name"},
    ],
)
def test_what_exists_already_is_told_apart_from_what_is_invalid(detail: dict[str, str]) -> None:
    assert isinstance(_translated(422, "Validation Failed", None, detail), AlreadyExistsOnHostError)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ({"message": "No commits between main and feature"}, "Validation Failed: No commits between main and feature"),
        ({"resource": "PullRequest", "field": "head", "code": "invalid"}, "Validation Failed: head invalid"),
        (
            {"field": "data", "code": "unprocessable", "message": "Body is too long (maximum is 65536 characters)"},
            "Validation Failed: Body is too long (maximum is 65536 characters)",
        ),
    ],
)
def test_a_refusal_says_what_github_says(detail: dict[str, str], reason: str) -> None:
    error = _translated(422, "Validation Failed", None, detail)

    assert isinstance(error, HostRefusedError)
    assert error.reason == reason


def test_a_switched_off_issue_page_says_where_to_switch_it_on() -> None:
    assert _translated(410, "Issues are disabled for this repo").hint == (
        "switch on `Issues` under Settings, General, Features"
    )


def test_what_github_says_is_shown_in_one_short_line_without_our_token() -> None:
    error = _translated(422, f"your token {_JOB} \n\x1b[31m is wrong " + "x" * 1000)

    assert isinstance(error, HostRefusedError)
    assert _JOB not in error.reason
    assert "\n" not in error.reason
    assert "\x1b" not in error.reason
    assert len(error.reason) <= 300


@pytest.mark.parametrize(
    ("token", "variable", "reason", "hint"),
    [
        (None, None, "there is no token", "pull-requests: write"),
        (_JOB, "GITHUB_TOKEN", "the token in `GITHUB_TOKEN` is not known to it", "ends with the job"),
        (_JOB, "GRAPHSHIP_TOKEN", "the token in `GRAPHSHIP_TOKEN` is wrong, has expired, or was revoked", "a new one"),
        (_CLASSIC, "GH_TOKEN", "the token in `GH_TOKEN` is wrong, has expired, or was revoked", "a new one"),
        ("ghp_two words", "GH_TOKEN", "what is in `GH_TOKEN` is no token: there is a blank or a line end", "alone"),
    ],
)
def test_a_token_that_github_does_not_know_is_told_by_the_variable_that_it_is_in(
    token: str | None, variable: str | None, reason: str, hint: str
) -> None:
    error = _refusals(token, variable).translate(Answer(status=401, message="Bad credentials"), _COMMENTING)

    assert isinstance(error, HostTokenError)
    assert error.reason.startswith(reason)
    assert hint in str(error.hint)
    assert token is None or token not in f"{error.fact} {error.hint}"


@pytest.mark.parametrize(
    ("status", "headers", "body", "raised", "error"),
    [
        (401, {}, {"message": "Bad credentials"}, BadCredentialsException, HostTokenError),
        (403, {}, {"message": "API rate limit exceeded for x"}, RateLimitExceededException, HostLimitError),
        (404, {}, {"message": "Not Found"}, UnknownObjectException, NotFoundOnHostError),
        (403, {}, {"message": "Resource not accessible by integration"}, GithubException, HostPermissionError),
        (502, {}, {"message": ""}, GithubException, HostUnreachableError),
        (422, {}, {"message": "Validation Failed", "errors": ["a text", 5, None]}, GithubException, HostRefusedError),
        (422, {}, {"message": "Validation Failed", "errors": {"a": 1}}, GithubException, HostRefusedError),
        (422, {}, {"message": None}, GithubException, HostRefusedError),
        (500, {}, {}, GithubException, HostUnreachableError),
    ],
)
def test_the_exceptions_of_pygithub_are_translated(
    status: int,
    headers: dict[str, str],
    body: dict[str, object],
    raised: type[Exception],
    error: type[HostError],
) -> None:
    theirs = Requester.createException(status, headers, body)

    assert type(theirs) is raised
    assert type(translated_error(theirs, _COMMENTING, _refusals())) is error


def test_answers_that_are_none_and_redirects_are_translated() -> None:
    unusable = translated_error(UnusableAnswerError("it is empty"), _COMMENTING, _refusals())
    redirected = translated_error(RedirectedError("https://api.github.com/repositories/7"), _COMMENTING, _refusals())

    assert isinstance(unusable, HostAnswerError)
    assert isinstance(redirected, HostRefusedError)
    assert redirected.reason == "it is now at `https://api.github.com/repositories/7`"
    assert "GRAPHSHIP_REPOSITORY" in str(redirected.hint)


def test_a_mistake_of_our_own_stays_one() -> None:
    assert translated_error(KeyError("x"), _COMMENTING, _refusals()) is None


def test_the_token_is_in_no_repr() -> None:
    refusals = _refusals()

    assert _JOB not in repr(refusals)
    assert _JOB not in repr(refusals.token)


def test_a_missing_status_permission_names_the_status_permission() -> None:
    doing = Doing(action="set the status `graphship/report`", needs=STATUSES)

    error = _refusals().translate(Answer(status=403, message="Resource not accessible by integration"), doing)

    assert isinstance(error, HostPermissionError)
    assert error.permission == "statuses: write"
