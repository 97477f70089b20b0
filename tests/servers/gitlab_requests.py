"""Merge requests, issues and labels of the GitLab stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.gitlab_calls import Call, RefusedError, forbidden, invalid, not_found, route
from tests.servers.gitlab_state import DEVELOPER, Issue, JsonObject, MergeRequest
from tests.servers.gitlab_texts import without_actions

if TYPE_CHECKING:
    from tests.servers.http_server import Response

TEXT_LIMIT = 1_048_576
TITLE_LIMIT = 255

MR = "projects/:id/merge_requests"
ISSUE = "projects/:id/issues"


def found_merge_request(call: Call) -> MergeRequest:
    """Return the merge request that a path names."""
    call.state.sync()
    found = call.state.merge_requests.get(call.number("iid"))
    if found is None or not call.may("read_merge_request"):
        raise not_found()
    return found


def found_issue(call: Call) -> Issue:
    """Return the issue that a path names."""
    found = call.state.issues.get(call.number("iid"))
    if found is None or not call.state.issues_enabled or not call.may("read_issue"):
        raise not_found()
    return found


# https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests
@route("GET", MR, needs="read_merge_request", for_jobs=True)
def list_merge_requests(call: Call) -> Response:
    call.state.sync()
    found = [one for one in call.state.merge_requests.values() if _is_asked_for(call, one)]
    found.sort(key=lambda one: one.iid, reverse=call.given.get("sort", "desc") == "desc")
    return call.page(found, call.shapes.merge_request)


def _is_asked_for(call: Call, one: MergeRequest) -> bool:
    given = call.given
    return (
        given.get("state", "all") in {"all", one.state}
        and given.get("source_branch", one.source_branch) == one.source_branch
        and given.get("target_branch", one.target_branch) == one.target_branch
        and given.get("author_username", one.author) == one.author
        and set(call.names("labels")) <= set(one.labels)
    )


@route("GET", f"{MR}/:iid", for_jobs=True)
def get_merge_request(call: Call) -> JsonObject:
    found = found_merge_request(call)
    return {
        **call.shapes.merge_request(found),
        "diff_refs": {"base_sha": found.head, "head_sha": found.head, "start_sha": found.head},
        "changes_count": "1",
        "user": {"can_merge": call.state.level(call.token.login if call.token else None) >= DEVELOPER},
    }


@route("GET", f"{MR}/:iid/commits")
def list_merge_request_commits(call: Call) -> Response:
    return call.page(list(reversed(found_merge_request(call).commits)), call.shapes.commit)


# https://docs.gitlab.com/api/merge_requests/#create-a-merge-request
@route("POST", MR, needs="create_merge_request")
def create_merge_request(call: Call) -> JsonObject:
    state = call.state
    title, source, target = (str(call.required(name)) for name in ("title", "source_branch", "target_branch"))
    heads = state.git.branches()
    _check_texts(title, call.given.get("description"))
    if source not in heads:
        raise invalid("source_branch", "does not exist")
    made = open_merge_request(
        call, title=title, source=source, target=target, project=state.project_id, reviewers=_reviewers(call)
    )
    return call.shapes.merge_request(made)


def open_merge_request(
    call: Call, *, title: str, source: str, target: str, project: int, reviewers: list[str]
) -> MergeRequest:
    """Keep a new merge request."""
    state = call.state
    repository = state.git if project == state.project_id else state.forks[project]
    _refuse_second(call, source, target, project)
    text, _ = without_actions(str(call.given.get("description") or ""))
    at, head = state.now(), repository.branches()[source]
    made = MergeRequest(
        id=state.next_id(),
        iid=len(state.merge_requests) + 1,
        title=title,
        description=text,
        source_branch=source,
        target_branch=target,
        author=call.login,
        head=head,
        created_at=at,
        updated_at=at,
        source_project_id=project,
        labels=_known_labels(call, call.names("labels")),
        reviewers=reviewers,
    )
    state.merge_requests[made.iid] = made
    state.set_head(made, head)
    return made


def _refuse_second(call: Call, source: str, target: str, project: int) -> None:
    for other in call.state.merge_requests.values():
        if (other.state, other.source_branch, other.target_branch) != ("opened", source, target):
            continue
        if other.source_project_id == project:
            text = f"Another open merge request already exists for this source branch: !{other.iid}"
            raise RefusedError(409, {"message": [text]})


def _reviewers(call: Call) -> list[str]:
    """Return the users that are members; others are left out without a word."""
    names = {call.state.user_id(login): login for login in list(call.state.users)}
    known = [names.get(int(number), "") for number in call.names("reviewer_ids")]
    return [login for login in known if call.state.level(login)]


def _known_labels(call: Call, names: list[str]) -> list[str]:
    """Return labels, made where there are none yet and the user may make them."""
    for name in names:
        if call.may("label"):
            call.state.labels.setdefault(name, call.state.next_id())
    return [name for name in names if name in call.state.labels]


# https://docs.gitlab.com/api/merge_requests/#update-a-merge-request
@route("PUT", f"{MR}/:iid")
def update_merge_request(call: Call) -> JsonObject:
    found, given = found_merge_request(call), call.given
    if found.author != call.login:
        call.need("edit_merge_request")
    _check_texts(given.get("title", "unchanged"), given.get("description"))
    if given.get("state_event") == "reopen" and found.state == "closed":
        _refuse_second(call, found.source_branch, found.target_branch, found.source_project_id or 0)
    _edit(call, found)
    if "title" in given and given["title"] != found.title:
        text = f"changed title from **{found.title}** to **{given['title']}**"
        call.state.note("MergeRequest", found.iid, text, call.login, system=True)
        found.title = str(given["title"])
    return call.shapes.merge_request(found)


def _check_texts(title: object, description: object) -> None:
    if not str(title).strip():
        raise invalid("title", "can't be blank")
    if len(str(title)) > TITLE_LIMIT:
        raise invalid("title", f"is too long (maximum is {TITLE_LIMIT} characters)")
    if len(str(description or "")) > TEXT_LIMIT:
        raise invalid("description", f"is too long (maximum is {TEXT_LIMIT} characters)")


def _edit(call: Call, found: MergeRequest | Issue) -> None:
    """Change what merge requests and issues share; an event that their state does not allow is no event."""
    given, at = call.given, call.state.now()
    event = given.get("state_event")
    if event == "close" and found.state == "opened":
        found.state, found.closed_at = "closed", at
    if event == "reopen" and found.state == "closed":
        found.state, found.closed_at = "opened", None
    if "description" in given:
        found.description, commands = without_actions(str(given["description"]))
        act(found, commands, at)
    if "labels" in given:
        found.labels = _known_labels(call, call.names("labels"))
    if "add_labels" in given:
        found.labels = list(dict.fromkeys([*found.labels, *_known_labels(call, call.names("add_labels"))]))
    if "reviewer_ids" in given and isinstance(found, MergeRequest):
        found.reviewers = _reviewers(call)
    found.updated_at = at


def act(found: MergeRequest | Issue, commands: list[tuple[str, str]], at: str) -> None:
    """Carry out quick actions."""
    for name, argument in commands:
        if name == "close":
            found.state, found.closed_at = "closed", at
        if name == "title":
            found.title = argument


# https://docs.gitlab.com/api/issues/#list-project-issues
@route("GET", ISSUE, needs="read_issue")
def list_issues(call: Call) -> Response:
    if not call.state.issues_enabled:
        raise not_found()
    asked, wanted = call.given.get("state", "all"), set(call.names("labels"))
    found = [one for one in call.state.issues.values() if asked in {"all", one.state} and wanted <= set(one.labels)]
    found.sort(key=lambda one: one.iid, reverse=call.given.get("sort", "desc") == "desc")
    return call.page(found, call.shapes.issue)


@route("GET", f"{ISSUE}/:iid")
def get_issue(call: Call) -> JsonObject:
    return call.shapes.issue(found_issue(call))


@route("POST", ISSUE, needs="create_issue")
def create_issue(call: Call) -> JsonObject:
    if not call.state.issues_enabled:
        raise forbidden()
    state, title = call.state, str(call.required("title"))
    _check_texts(title, call.given.get("description"))
    text, _ = without_actions(str(call.given.get("description") or ""))
    at = state.now()
    made = Issue(
        id=state.next_id(),
        iid=len(state.issues) + 1,
        title=title,
        description=text,
        author=call.login,
        created_at=at,
        updated_at=at,
        labels=_known_labels(call, call.names("labels")),
    )
    state.issues[made.iid] = made
    return call.shapes.issue(made)


@route("PUT", f"{ISSUE}/:iid")
def update_issue(call: Call) -> JsonObject:
    found = found_issue(call)
    if found.author != call.login:
        call.need("edit_issue")
    _check_texts(call.given.get("title", "unchanged"), call.given.get("description"))
    _edit(call, found)
    if "title" in call.given:
        found.title = str(call.given["title"])
    return call.shapes.issue(found)


# https://docs.gitlab.com/api/labels/
@route("GET", "projects/:id/labels")
def list_labels(call: Call) -> Response:
    return call.page(sorted(call.state.labels), call.shapes.label)


@route("POST", "projects/:id/labels", needs="label")
def create_label(call: Call) -> JsonObject:
    name = str(call.required("name"))
    if name in call.state.labels:
        raise RefusedError(409, {"message": "Label already exists"})
    call.state.labels[name] = call.state.next_id()
    return call.shapes.label(name)
