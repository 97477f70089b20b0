"""Issues, comments and labels of the GitHub stand-in: emulate keeps them, this checks what emulate does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.servers.github_answers import Call, Routes, fitting, invalid, required
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response

if TYPE_CHECKING:
    from tests.servers.github_hub import Hub

routes = Routes()
_READ = ("issues=read", "pull_requests=read")
_WRITE = ("issues=write", "pull_requests=write")


def pass_on(call: Call, body: object = None) -> Response:
    """Let emulate answer as it was asked."""
    path = call.request.target.partition("/repos/")[2].split("/", 2)[2]
    given = call.body if body is None and call.is_write and call.request.body else body
    answer = call.hub.ask(call.request.method, path, login=call.login, body=given)
    if answer.status >= 400:
        raise Refused(answer.status, json.loads(answer.body)["message"])
    return _with_pulls(call.hub, answer)


def _with_pulls(hub: Hub, answer: Response) -> Response:
    """Say which issues are pull requests, and let the addresses of their comments lead to them."""
    if not answer.body:
        return answer
    content = json.loads(answer.body)
    for one in content if isinstance(content, list) else [content]:
        if not isinstance(one, dict):
            continue
        owner_url = one.get("issue_url") or one.get("url", "")
        kind, _, number = owner_url.rpartition("/")
        if kind.endswith("/issues") and number.isdecimal() and int(number) in hub.pulls:
            one["html_url"] = one["html_url"].replace(f"/issues/{number}", f"/pull/{number}")
            if "title" in one:
                one["pull_request"] = {
                    "url": f"{hub.api}/pulls/{number}",
                    "html_url": f"{hub.web}/pull/{number}",
                    "diff_url": f"{hub.web}/pull/{number}.diff",
                    "patch_url": f"{hub.web}/pull/{number}.patch",
                    "merged_at": hub.pulls[int(number)].merged_at,
                }
    return Response(status=answer.status, headers=answer.headers, body=json.dumps(content).encode())


def _topic(call: Call, number: int, level: str) -> None:
    """Refuse what the token may not do on this very issue or pull request, and what is not there."""
    if number not in call.hub.pulls:
        call.need(f"issues={level}")
        call.hub.issue(number)
        if not call.hub.has_issues:
            raise Refused(410, "Issues are disabled for this repo")


@routes("GET", "issues", *_READ)
def list_issues(call: Call) -> Response:
    return pass_on(call)


@routes("POST", "issues", "issues=write")
def create_issue(call: Call) -> Response:
    if not call.hub.has_issues:
        raise Refused(410, "Issues are disabled for this repo")
    required(call.body, "title")
    if not str(call.body["title"]).strip():
        raise invalid("Issue", "title", "missing_field")
    fitting("Issue", call.body)
    dropped = {"labels", "assignees", "milestone"} if call.role == "read" else set()
    return pass_on(call, {name: value for name, value in call.body.items() if name not in dropped})


@routes("GET", "issues/{number}", *_READ)
def get_issue(call: Call) -> Response:
    _topic(call, call.number, "read")
    return pass_on(call)


@routes("PATCH", "issues/{number}", *_WRITE)
def update_issue(call: Call) -> Response:
    _topic(call, call.number, "write")
    fitting("Issue", call.body)
    author = call.hub.issue(call.number)["user"]["login"]
    if call.role == "read" and author != call.login:
        raise Refused(403, "Must have admin rights to Repository.")
    pull = call.hub.pulls.get(call.number)
    if pull is not None:
        if pull.merge_commit is not None and call.body.get("state") == "open":
            raise invalid("Issue", "state", "invalid", "The pull request cannot be reopened.")
        call.hub.follow_pushes()  # what is closed now keeps the head of now
    return pass_on(call)


@routes("GET", "issues/{number}/comments", *_READ)
def list_comments(call: Call) -> Response:
    _topic(call, call.number, "read")
    return pass_on(call)


@routes("POST", "issues/{number}/comments", *_WRITE)
def create_comment(call: Call) -> Response:
    _topic(call, call.number, "write")
    _check_comment(call.body)
    if call.hub.issue(call.number)["locked"] and call.role == "read":
        raise Refused(403, "Unable to create comment because issue is locked.")
    return pass_on(call)


def _check_comment(body: Json) -> None:
    required(body, "body")
    if not str(body["body"]).strip():
        raise invalid("IssueComment", "body", "missing_field")
    fitting("IssueComment", body)


@routes("GET", "issues/comments/{number}", *_READ)
def get_comment(call: Call) -> Response:
    return pass_on(call)


@routes("PATCH", "issues/comments/{number}", *_WRITE)
def update_comment(call: Call) -> Response:
    _own_comment(call)
    _check_comment(call.body)
    return pass_on(call)


@routes("DELETE", "issues/comments/{number}", *_WRITE)
def delete_comment(call: Call) -> Response:
    _own_comment(call)
    return pass_on(call)


def _own_comment(call: Call) -> None:
    """Refuse changes of others' comments, and by who may not write where it stands."""
    comment = call.hub.known(f"issues/comments/{call.number}")
    _topic(call, int(comment["issue_url"].rpartition("/")[2]), "write")
    if call.role == "read" and comment["user"]["login"] != call.login:
        raise Refused(403, "Must have admin rights to Repository.")


@routes("GET", "issues/comments", *_READ)
def list_all_comments(call: Call) -> Response:
    return pass_on(call)


@routes("GET", "labels", *_READ)
def list_labels(call: Call) -> Response:
    return pass_on(call)


@routes("GET", "labels/{name}", *_READ)
def get_label(call: Call) -> Response:
    return pass_on(call)


@routes("POST", "labels", *_WRITE)
def create_label(call: Call) -> Response:
    _labelling(call)
    required(call.body, "name")
    known = {label["name"].lower() for label in call.hub.known("labels?per_page=100")}
    if call.body["name"].lower() in known:
        raise invalid("Label", "name", "already_exists")
    return pass_on(call)


@routes("GET", "issues/{number}/labels", *_READ)
def list_issue_labels(call: Call) -> Response:
    _topic(call, call.number, "read")
    return pass_on(call)


@routes("POST", "issues/{number}/labels", *_WRITE)
def add_labels(call: Call) -> Response:
    return _change_labels(call)


@routes("PUT", "issues/{number}/labels", *_WRITE)
def set_labels(call: Call) -> Response:
    return _change_labels(call)


@routes("DELETE", "issues/{number}/labels/{name}", *_WRITE)
def remove_label(call: Call) -> Response:
    return _change_labels(call)


def _change_labels(call: Call) -> Response:
    _labelling(call)
    _topic(call, call.number, "write")
    return pass_on(call)


def _labelling(call: Call) -> None:
    if call.role == "read":
        raise Refused(403, "Must have admin rights to Repository.")


@routes("PUT", "issues/{number}/lock", *_WRITE)
def lock(call: Call) -> Response:
    _labelling(call)
    return pass_on(call)
