"""What GitLab refuses with, as our errors: the table of ``ci_core/hosts/gitlab/refusals.py``."""

from __future__ import annotations

import pytest

from ci_core.errors import (
    AlreadyExistsOnHostError,
    GraphshipError,
    HostAnswerError,
    HostLimitError,
    HostPermissionError,
    HostRefusedError,
    HostTokenError,
    HostUnreachableError,
    NotFoundOnHostError,
)
from ci_core.hosts.gitlab.refusals import Answer, Doing, Refusals
from ci_core.hosts.gitlab.tokens import CHANGE_REQUEST, COMMENT, READ, STATUS, Token

_SECRET = "glpat-3xAmPlE0fAt0kEn99"
_TOKEN = Token(value=_SECRET, variable="GRAPHSHIP_TOKEN", kind="personal")
_REFUSALS = Refusals(place="gitlab.com/acme/flights", project="acme/flights", token=_TOKEN)
_COMMENTING = Doing(action="comment on change request 5", need=COMMENT, kind="merge request", name="5")
_CREATING = Doing(
    action="open a merge request from `retrain`",
    need=CHANGE_REQUEST,
    kind="open merge request from",
    name="retrain",
    page="https://gitlab.com/acme/flights/-/merge_requests",
)
_PROJECT_TOKEN = (
    "create a project access token (Settings, Access tokens) with role {role} and scope `api`, and keep it as the CI/CD"
    " variable `GRAPHSHIP_TOKEN`, masked, and protected if only protected branches need it"
)


def _refusals(kind: str, value: str | None = _SECRET, variable: str | None = "CI_JOB_TOKEN") -> Refusals:
    token = Token(value=value, variable=variable, kind=kind)  # type: ignore[arg-type] # literals from a parameter
    return Refusals(place="gitlab.com/acme/flights", project="acme/flights", token=token)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, {"message": "500 Internal Server Error"}, HostUnreachableError),
        (502, None, HostUnreachableError),
        (503, None, HostUnreachableError),
        (522, None, HostUnreachableError),
        (401, {"message": "401 Unauthorized"}, HostTokenError),
        (403, {"message": "403 Forbidden"}, HostPermissionError),
        (404, {"message": "404 Not found"}, NotFoundOnHostError),
        (400, {"message": {"title": ["can't be blank"]}}, HostRefusedError),
        (405, {"message": "405 Method Not Allowed"}, HostRefusedError),
        (409, {"message": "409 Conflict"}, HostRefusedError),
        (410, {"message": "410 Gone"}, HostRefusedError),
        (413, None, HostRefusedError),
        (422, {"message": {"base": ["is invalid"]}}, HostRefusedError),
        (451, {"message": "451 Unavailable For Legal Reasons"}, HostRefusedError),
        (301, {}, HostRefusedError),
        (401, None, HostAnswerError),
        (403, None, HostAnswerError),
        (404, None, HostAnswerError),
    ],
)
def test_each_status_stands_for_one_error(status: int, body: object, error: type[GraphshipError]) -> None:
    assert type(_REFUSALS.translate(Answer(status=status, body=body), _COMMENTING)) is error


def test_a_missing_scope_is_named_with_what_to_create() -> None:
    body = {"error": "insufficient_scope", "error_description": "higher privileges", "scope": "api"}

    error = _REFUSALS.translate(Answer(status=403, body=body), _COMMENTING)

    assert isinstance(error, HostPermissionError)
    assert error.fact == "the token may not comment on change request 5: it lacks `scope api`"
    assert error.hint == _PROJECT_TOKEN.format(role="Reporter")


def test_of_several_scopes_that_would_do_the_least_is_named() -> None:
    body = {"error": "insufficient_scope", "scope": "api read_api"}
    doing = Doing(action="list the merge requests", need=READ)

    error = _REFUSALS.translate(Answer(status=403, body=body), doing)

    assert isinstance(error, HostPermissionError)
    assert error.permission == "scope read_api"
    assert error.hint is not None
    assert "scope `read_api`" in error.hint


def test_a_role_that_is_too_low_is_named_with_the_one_that_is_needed() -> None:
    doing = Doing(action="set the status `graphship/report`", need=STATUS)

    error = _REFUSALS.translate(Answer(status=403, body={"message": "403 Forbidden"}), doing)

    assert isinstance(error, HostPermissionError)
    assert error.permission == "role Developer"
    assert error.hint == f"give its user that role or a higher one, or {_PROJECT_TOKEN.format(role='Developer')}"


def test_a_reason_that_gitlab_gives_with_403_is_told_as_it_is() -> None:
    body = {"message": "403 Forbidden - Deployments created using GitLab CI can not be updated using the API"}

    error = _REFUSALS.translate(Answer(status=403, body=body), _COMMENTING)

    assert isinstance(error, HostRefusedError)
    assert error.reason == "Deployments created using GitLab CI can not be updated using the API"


def test_not_found_says_that_a_token_without_rights_is_answered_so_as_well() -> None:
    error = _REFUSALS.translate(Answer(status=404, body={"message": "404 Not found"}), _COMMENTING)

    assert isinstance(error, NotFoundOnHostError)
    assert error.fact == "there is no merge request `5`"
    assert error.hint == (
        "GitLab answers so as well when the token may not see it: in a private project that takes at least the role "
        "Reporter"
    )


def test_a_hidden_project_is_named_whatever_was_looked_for() -> None:
    error = _REFUSALS.translate(Answer(status=404, body={"message": "404 Project Not Found"}), _COMMENTING)

    assert isinstance(error, NotFoundOnHostError)
    assert error.fact == "there is no project `acme/flights`"


def test_a_commit_that_no_branch_has_gets_no_status_and_the_reason_is_told() -> None:
    doing = Doing(action="set the status `x` of commit 0123", need=STATUS, kind="commit", name="0123")

    error = _REFUSALS.translate(Answer(status=404, body={"message": "404 References for commit Not Found"}), doing)

    assert isinstance(error, HostRefusedError)
    assert error.reason == "no branch of this project has that commit"


def test_a_second_merge_request_is_told_with_the_address_of_the_first() -> None:
    body = {"message": ["Another open merge request already exists for this source branch: !7"]}

    error = _REFUSALS.translate(Answer(status=409, body=body), _CREATING)

    assert isinstance(error, AlreadyExistsOnHostError)
    assert (error.kind, error.name) == ("open merge request from", "retrain")
    assert error.url == "https://gitlab.com/acme/flights/-/merge_requests/7"


def test_a_second_merge_request_is_known_in_other_languages_by_its_number() -> None:
    body = {"message": ["Es gibt bereits einen offenen Merge-Request: !7"]}

    assert isinstance(_REFUSALS.translate(Answer(status=409, body=body), _CREATING), AlreadyExistsOnHostError)


def test_a_lock_is_a_limit_of_a_second_since_nothing_was_done() -> None:
    body = {"message": "Another update to this commit status is in progress"}

    error = _REFUSALS.translate(Answer(status=409, body=body), _COMMENTING)

    assert isinstance(error, HostLimitError)
    assert error.wait_s == 1.0


def test_why_a_token_is_refused_is_told_in_gitlabs_words() -> None:
    body = {"error": "invalid_token", "error_description": "Token was revoked. You have to re-authorize."}

    error = _REFUSALS.translate(Answer(status=401, body=body), _COMMENTING)

    assert isinstance(error, HostTokenError)
    assert error.reason == "Token was revoked. You have to re-authorize."


def test_a_job_token_that_gitlab_does_not_know_may_be_of_a_job_that_ended() -> None:
    error = _refusals("job").translate(Answer(status=401, body={"message": "401 Unauthorized"}), _COMMENTING)

    assert isinstance(error, HostTokenError)
    assert error.reason == "the job token in `CI_JOB_TOKEN` is not known to it"
    assert error.hint is not None
    assert error.hint.startswith("a job token ends with its job; otherwise create a project access token")


def test_that_a_job_token_cannot_comment_is_said_with_what_to_create() -> None:
    error = _refusals("job").not_for_jobs(_COMMENTING)

    assert error.fact == (
        "the host did not let us comment on change request 5: GitLab lets no job token (`CI_JOB_TOKEN`) do that, "
        "whatever the project's settings"
    )
    assert error.hint == _PROJECT_TOKEN.format(role="Reporter")


def test_a_token_with_a_line_end_is_told_apart_from_a_wrong_one() -> None:
    error = _refusals("personal", "glpat-x\n", "GRAPHSHIP_TOKEN").token_error(_COMMENTING)

    assert error.reason == "what is in `GRAPHSHIP_TOKEN` is no token: there is a blank or a line end inside"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("400 Bad request", "400 Bad request"),
        ({"title": ["is too long (maximum is 255 characters)"]}, "title is too long (maximum is 255 characters)"),
        ({"base": ["a", "b"], "ref": ["c"]}, "base a, b: ref c"),
        (["one", "two"], "one: two"),
        (None, "it answered 400"),
        (7, "it answered 400"),
    ],
)
def test_messages_of_every_shape_become_one_line(message: object, reason: str) -> None:
    error = _REFUSALS.translate(Answer(status=400, body={"message": message}), _COMMENTING)

    assert isinstance(error, HostRefusedError)
    assert error.reason == reason


def test_what_the_host_says_is_masked_kept_to_one_line_and_shortened() -> None:
    body = {"message": f"your token {_SECRET}\n\x1b[31m" + "x" * 1000}

    error = _REFUSALS.translate(Answer(status=400, body=body), _COMMENTING)

    assert isinstance(error, HostRefusedError)
    assert error.reason.startswith("your token ***\\n\\x1b[31mxxx")
    assert len(error.reason) == 300
    assert _SECRET not in str(error)
