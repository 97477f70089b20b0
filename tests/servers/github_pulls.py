"""Pull requests of the GitHub stand-in: an issue that emulate keeps, and branches of real Git repositories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.servers.git_http import MergeConflictError
from tests.servers.github_answers import Call, Routes, fitting, invalid, now, page, required
from tests.servers.github_code import commit_json, file_json
from tests.servers.github_emulator import LOGINS, OWNER
from tests.servers.github_hub import NAME, Hub, Pull, Tips
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response, json_response

if TYPE_CHECKING:
    from ci_core.types import CommitId

routes = Routes()
_READ: Final = "pull_requests=read"
_WRITE: Final = "pull_requests=write"
_LINKED: Final = ("issue", "comments", "review_comments", "review_comment", "commits", "statuses")


def pull_json(hub: Hub, pull: Pull, *, is_whole: bool = False) -> Json:
    """Return a pull request; the whole one has counts and says whether it can be merged."""
    issue = hub.issue(pull.number)
    is_open, number = issue["state"] == "open", pull.number
    shown = {
        name: issue[name]
        for name in (
            "id", "node_id", "number", "title", "body", "user", "labels", "state", "locked", "active_lock_reason",
            "assignee", "assignees", "milestone", "created_at", "updated_at", "closed_at", "author_association",
        )
    }  # fmt: skip
    shown |= {
        "url": f"{hub.api}/pulls/{number}",
        "html_url": f"{hub.web}/pull/{number}",
        "diff_url": f"{hub.web}/pull/{number}.diff",
        "patch_url": f"{hub.web}/pull/{number}.patch",
        "issue_url": f"{hub.api}/issues/{number}",
        "commits_url": f"{hub.api}/pulls/{number}/commits",
        "review_comments_url": f"{hub.api}/pulls/{number}/comments",
        "review_comment_url": f"{hub.api}/pulls/comments{{/number}}",
        "comments_url": f"{hub.api}/issues/{number}/comments",
        "statuses_url": f"{hub.api}/statuses/{pull.head}",
        "head": _side(hub, pull.owner, pull.branch, pull.head),
        "base": _side(hub, OWNER, pull.base, pull.base_commit),
        "draft": pull.is_draft,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_commit,
        "requested_reviewers": [hub.user(login) for login in pull.reviewers],
        "requested_teams": [],
        "auto_merge": None,
    }
    shown["_links"] = {
        "self": {"href": shown["url"]},
        "html": {"href": shown["html_url"]},
        **{name: {"href": shown[f"{name}_url"]} for name in _LINKED},
    }
    if is_whole:
        files = hub.repository.changed_files(*_ends(hub, pull))
        can_merge = _can_merge(hub, pull) if is_open else None
        shown |= {
            "merged": pull.merged_at is not None,
            "mergeable": can_merge,
            "rebaseable": can_merge,
            "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[can_merge],
            "merged_by": hub.user(pull.merged_by) if pull.merged_by else None,
            "comments": issue["comments"],
            "review_comments": 0,
            "maintainer_can_modify": pull.owner != OWNER,
            "commits": len(commits_of(hub, pull)),
            "additions": sum(added for _, _, added, _ in files),
            "deletions": sum(gone for _, _, _, gone in files),
            "changed_files": len(files),
        }
    return shown


def _side(hub: Hub, owner: str, branch: str, commit: str) -> Json:
    there = owner == OWNER or owner in hub.forks
    return {
        "label": f"{owner}:{branch}",
        "ref": branch,
        "sha": commit,
        "user": hub.user(owner),
        "repo": hub.repository_json(owner, "write") if there else None,
    }


def commits_of(hub: Hub, pull: Pull) -> list[CommitId]:
    """Return the commits that a pull request brings, oldest first."""
    return pull.commits or hub.repository.between(pull.base_commit, pull.head)


def _ends(hub: Hub, pull: Pull) -> tuple[str, str]:
    """Return the two commits whose difference is the pull request's."""
    return hub.repository.fact("merge-base", pull.base_commit, pull.head), pull.head


def _can_merge(hub: Hub, pull: Pull) -> bool:
    return hub.repository.can_merge(pull.base_commit, pull.head)


def _get(call: Call) -> Pull:
    call.hub.follow_pushes()
    pull = call.hub.pulls.get(call.number)
    if pull is None:
        raise Refused(404, "Not Found")
    return pull


@routes("GET", "pulls", _READ)
def list_pulls(call: Call) -> Response:
    hub, query = call.hub, call.request.query
    hub.follow_pushes()
    state = query.get("state", "open")
    head, base = query.get("head", ""), query.get("base")
    found = []
    for pull in sorted(
        hub.pulls.values(), key=lambda one: one.number, reverse=query.get("direction", "desc") == "desc"
    ):
        is_named = ":" not in head or head == f"{pull.owner}:{pull.branch}"
        is_there = state == "all" or hub.issue(pull.number)["state"] == state
        if is_named and is_there and base in (None, pull.base):
            found.append(pull)
    return page(call, found, lambda shown: [pull_json(hub, pull) for pull in shown if isinstance(pull, Pull)])


@routes("POST", "pulls", _WRITE)
def create_pull(call: Call) -> Response:
    hub, body = call.hub, call.body
    required(body, "head", "base")
    if not str(body.get("title") or "").strip():
        raise invalid("PullRequest", "title", "missing_field")
    fitting("PullRequest", body)
    if call.token and call.token.kind == "job" and not hub.actions_may_open_pulls:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    owner, _, branch = body["head"].rpartition(":")
    owner = owner or OWNER
    if owner == OWNER and call.role == "read":
        raise Refused(403, "Resource not accessible by personal access token")
    tips = hub.follow_pushes()
    head, base_commit = _tip(tips, owner, branch, "head"), _tip(tips, OWNER, body["base"], "base")
    if any(_same(hub, pull, owner, branch, body["base"]) for pull in hub.pulls.values()):
        raise _custom(f"A pull request already exists for {owner}:{branch}.")
    if owner != OWNER:
        hub.repository.git("fetch", "--quiet", str(hub.forks[owner].folder), f"refs/heads/{branch}")
    if hub.repository.contains(base_commit, head):
        raise _custom(f"No commits between {body['base']} and {body['head']}")
    issue = hub.ask("POST", "issues", login=call.login, body={"title": body["title"], "body": body.get("body")})
    number = int(json.loads(issue.body)["number"])
    pull = Pull(
        number=number,
        owner=owner,
        branch=branch,
        base=body["base"],
        head=head,
        base_commit=base_commit,
        is_draft=bool(body.get("draft")),
    )
    hub.pulls[number] = pull
    hub.keep(pull)
    return json_response(pull_json(hub, pull, is_whole=True), 201)


def _tip(tips: Tips, owner: str, branch: str, field: str) -> CommitId:
    tip = tips.get(owner, {}).get(branch)
    if tip is None:
        raise invalid("PullRequest", field)
    return tip


def _same(hub: Hub, pull: Pull, owner: str, branch: str, base: str) -> bool:
    is_same = (pull.owner, pull.branch, pull.base) == (owner, branch, base)
    return is_same and hub.issue(pull.number)["state"] == "open"


def _custom(message: str) -> Refused:
    return Refused(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})


@routes("GET", "pulls/{number}", _READ)
def get_pull(call: Call) -> Response:
    return json_response(pull_json(call.hub, _get(call), is_whole=True))


@routes("PATCH", "pulls/{number}", _WRITE)
def update_pull(call: Call) -> Response:
    hub, body, pull = call.hub, call.body, _get(call)
    fitting("PullRequest", body)
    if body.get("state") not in (None, "open", "closed"):
        raise invalid("PullRequest", "state")
    if call.role == "read" and hub.issue(pull.number)["user"]["login"] != call.login:
        raise Refused(403, "Must have admin rights to Repository.")
    if body.get("state") == "open" and hub.issue(pull.number)["state"] == "closed":
        _check_reopening(hub, pull)
    changes = {name: body[name] for name in ("title", "body", "state") if name in body}
    if body.get("base"):
        pull.base_commit, pull.base = _tip(hub.follow_pushes(), OWNER, body["base"], "base"), body["base"]
    hub.ask("PATCH", f"issues/{pull.number}", login=call.login, body=changes)
    return json_response(pull_json(hub, pull, is_whole=True))


def _check_reopening(hub: Hub, pull: Pull) -> None:
    if pull.merge_commit is not None:
        raise invalid("PullRequest", "state", "invalid", "state cannot be changed. The pull request is already merged.")
    tip = hub.store(pull.owner).branches().get(pull.branch) if pull.owner in {OWNER, *hub.forks} else None
    if tip is None:
        said = f"state cannot be changed. The {pull.branch} branch has been deleted."
        raise invalid("PullRequest", "state", "invalid", said)
    if any(_same(hub, other, pull.owner, pull.branch, pull.base) for other in hub.pulls.values()):
        said = f"state cannot be changed. There is already an open pull request from {pull.branch} to {pull.base}."
        raise invalid("PullRequest", "state", "invalid", said)
    if not hub.store(pull.owner).contains(tip, pull.head):
        said = f"state cannot be changed. The {pull.branch} branch was force-pushed or recreated."
        raise invalid("PullRequest", "state", "invalid", said)


@routes("PUT", "pulls/{number}/merge", "contents=write")
def merge_pull(call: Call) -> Response:
    body, pull = call.body, _get(call)
    if body.get("sha") not in (None, pull.head):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    merged = merge(call.hub, pull, call.login, body.get("merge_method") or "merge")
    return json_response({"sha": merged, "merged": True, "message": "Pull Request successfully merged"})


def merge(hub: Hub, pull: Pull, login: str, method: str) -> CommitId:
    """Merge a pull request as a person does.

    Raises:
        Refused: 405, it is not open, or in conflict with its base.
    """
    issue = hub.issue(pull.number)
    if issue["state"] != "open" or pull.is_draft:
        raise Refused(405, "Pull Request is still a draft" if pull.is_draft else "Pull Request is not mergeable")
    commits = commits_of(hub, pull)
    messages = {
        "merge": f"Merge pull request #{pull.number} from {pull.owner}/{pull.branch}\n\n{issue['title']}",
        "squash": f"{issue['title']} (#{pull.number})",
        "rebase": "",
    }
    try:
        merged = hub.repository.merge(pull.base, pull.head, method=method, message=messages[method])
    except MergeConflictError:
        raise Refused(405, "Pull Request has merge conflicts") from None
    pull.commits, pull.merge_commit, pull.merged_at, pull.merged_by = commits, merged, now(), login
    hub.ask("PATCH", f"issues/{pull.number}", login=login, body={"state": "closed"})
    return merged


@routes("GET", "pulls/{number}/merge", _READ)
def is_merged(call: Call) -> Response:
    if _get(call).merge_commit is None:
        raise Refused(404, "Not Found")
    return Response(status=204)


@routes("GET", "pulls/{number}/files", _READ)
def list_files(call: Call) -> Response:
    pull = _get(call)
    base, head = _ends(call.hub, pull)
    return page(call, [file_json(call.hub, base, head, row) for row in call.hub.repository.changed_files(base, head)])


@routes("GET", "pulls/{number}/commits", _READ)
def list_commits(call: Call) -> Response:
    return page(call, [commit_json(call.hub, commit) for commit in commits_of(call.hub, _get(call))])


@routes("GET", "pulls/{number}/requested_reviewers", _READ)
def list_reviewers(call: Call) -> Response:
    return json_response({"users": [call.hub.user(login) for login in _get(call).reviewers], "teams": []})


@routes("POST", "pulls/{number}/requested_reviewers", _WRITE)
def request_reviewers(call: Call) -> Response:
    hub, pull = call.hub, _get(call)
    wanted = list(call.body.get("reviewers") or [])
    author = hub.issue(pull.number)["user"]["login"]
    if author in wanted:
        raise Refused(422, "Review cannot be requested from pull request author.")
    if call.body.get("team_reviewers") or not set(wanted) <= set(LOGINS):
        raise Refused(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not "
            f"a collaborator of the {OWNER}/{NAME} repository.",
        )
    pull.reviewers += [login for login in wanted if login not in pull.reviewers]
    return json_response(pull_json(hub, pull), 201)


@routes("GET", "commits/{ref}/pulls", _READ)
def pulls_of_commit(call: Call) -> Response:
    """Tell open and merged ones of this repository: what comes from a fork is only known once it is merged."""
    hub = call.hub
    hub.follow_pushes()
    commit = hub.repository.resolve(call.names["ref"])
    if commit is None:
        raise Refused(422, f"No commit found for SHA: {call.names['ref']}")
    found = []
    for pull in hub.pulls.values():
        if pull.merge_commit is None and (pull.owner != OWNER or hub.issue(pull.number)["state"] != "open"):
            continue
        if commit == pull.merge_commit or commit in commits_of(hub, pull):
            found.append(pull_json(hub, pull))
    return page(call, found)
