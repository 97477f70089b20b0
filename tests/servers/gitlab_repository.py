"""Commits, their statuses, files, environments, deployments, users and uploads of the GitLab stand-in."""

from __future__ import annotations

import base64
import hashlib
import re
from email.parser import BytesParser
from typing import TYPE_CHECKING, Final

from tests.servers.gitlab_calls import Call, RefusedError, invalid, not_found, route
from tests.servers.gitlab_state import Deployment, Environment, JsonObject, Pipeline, Status
from tests.servers.http_server import Response

if TYPE_CHECKING:
    from ci_core.types import CommitId

COMMIT = "projects/:id/repository/commits/:sha"
UPLOAD_LIMIT: Final = 10 * 1024 * 1024
ENVIRONMENT_TEXT_LIMIT: Final = 10_000
_READS = ("api", "read_api", "read_repository")


# https://docs.gitlab.com/api/users/#retrieve-the-current-user
@route("GET", "user", scopes=("api", "read_api", "read_user"))
def own_user(call: Call) -> JsonObject:
    return call.shapes.own_user(call.login)


@route("GET", "users")
def list_users(call: Call) -> Response:
    wanted = call.given.get("username")
    found = [login for login in call.state.users if wanted is None or login.lower() == str(wanted).lower()]
    return call.page(found, call.shapes.user)


# https://docs.gitlab.com/api/personal_access_tokens/#self-inform
@route(
    "GET",
    "personal_access_tokens/self",
    scopes=("api", "read_api", "read_user", "read_repository", "write_repository", "ai_features"),
)
def own_token(call: Call) -> JsonObject:
    if call.token is None or call.token.kind == "oauth":
        raise RefusedError(401, {"message": "401 Unauthorized"})
    return call.shapes.token(call.token)


# https://docs.gitlab.com/api/jobs/#retrieve-a-jobs-token-details
@route("GET", "job", for_jobs=True)
def own_job(call: Call) -> JsonObject:
    if call.token is None or call.token.kind != "job":
        raise RefusedError(401, {"message": "401 Unauthorized"})
    return call.shapes.job(call.token, call.state.git.branches().get("main", "0" * 40))


@route("GET", "projects/:id")
def get_project(call: Call) -> JsonObject:
    return call.shapes.project(call.token.login if call.token else None)


def _commit(call: Call) -> CommitId:
    found = call.state.git.resolve(call.args["sha"])
    if found is None or not call.may("read_code"):
        raise not_found("Commit")
    return found


@route("GET", COMMIT, for_jobs=True)
def get_commit(call: Call) -> JsonObject:
    return call.shapes.commit(_commit(call))


# https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit
@route("GET", f"{COMMIT}/merge_requests", for_jobs=True)
def list_requests_of_commit(call: Call) -> Response:
    call.state.sync()
    commit = _commit(call)
    found = [
        one
        for one in call.state.merge_requests.values()
        if commit in {*one.commits, one.merge_commit_sha, one.squash_commit_sha}
    ]
    return call.page(found[::-1], call.shapes.merge_request)


# https://docs.gitlab.com/api/commits/#list-all-commit-statuses
@route("GET", f"{COMMIT}/statuses", needs="read_code")
def list_statuses(call: Call) -> Response:
    commit, given = _commit(call), call.given
    found = [
        one
        for one in call.state.statuses
        if one.sha == commit
        and (not one.is_retried or given.get("all") in {"true", True})
        and given.get("name", one.name) == one.name
        and str(given.get("pipeline_id", one.pipeline)) == str(one.pipeline)
    ]
    return call.page(found, call.shapes.status)


# https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
@route("POST", "projects/:id/statuses/:sha", needs="commit_status")
def set_status(call: Call) -> JsonObject:
    state, commit, wanted = call.state, _commit(call), str(call.required("state"))
    if wanted not in {"pending", "running", "success", "failed", "canceled", "skipped"}:
        raise RefusedError(400, {"error": "state does not have a valid value"})
    name = str(call.given.get("name") or call.given.get("context") or "default")
    pipeline = _pipeline(call, commit)
    standing = next(
        (
            one
            for one in state.statuses
            if (one.pipeline, one.name, one.author) == (pipeline.id, name, call.login)
            and one.state in {"created", "pending", "running"}
        ),
        None,
    )
    _refuse_transition(standing.state if standing else "created", wanted)
    if standing is None:
        for earlier in state.statuses:
            if (earlier.pipeline, earlier.name) == (pipeline.id, name):
                earlier.is_retried = True
        standing = Status(
            id=state.next_id(),
            pipeline=pipeline.id,
            sha=commit,
            ref=pipeline.ref,
            name=name,
            author=call.login,
            state="created",
            created_at=state.now(),
        )
        state.statuses.append(standing)
    standing.state = wanted
    standing.description = call.given.get("description", standing.description)
    standing.target_url = call.given.get("target_url", standing.target_url)
    return call.shapes.status(standing)


def _refuse_transition(before: str, wanted: str) -> None:
    """Refuse what GitLab's state machine of jobs does not know."""
    event = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
    allowed = {"pending": {"created"}, "running": {"created", "pending"}}
    if before not in allowed.get(wanted, {"created", "pending", "running"}):
        name = event.get(wanted, "skip")
        text = f'Cannot transition status via :{name} from :{before} (Reason(s): Status cannot transition via "{name}")'
        raise RefusedError(400, {"message": text})


def _pipeline(call: Call, commit: CommitId) -> Pipeline:
    """Return the newest pipeline of a commit, or the one that is named; a new external one without any."""
    given = call.given
    found = [
        one
        for one in reversed(call.state.pipelines)
        if one.sha == commit
        and str(given.get("pipeline_id", one.id)) == str(one.id)
        and given.get("ref", one.ref) == one.ref
    ]
    if found:
        return found[0]
    if "pipeline_id" in given:
        raise RefusedError(404, {"message": "404 Pipeline for pipeline_id, sha and ref Not Found"})
    branches = [name for name, tip in call.state.git.branches().items() if call.state.git.contains(tip, commit)]
    if not branches:
        raise RefusedError(404, {"message": "404 References for commit Not Found"})
    made = Pipeline(
        id=call.state.next_id(), sha=commit, ref=branches[0], source="external", created_at=call.state.now()
    )
    call.state.pipelines.append(made)
    return made


# https://docs.gitlab.com/api/pipelines/#list-project-pipelines
@route("GET", "projects/:id/pipelines", needs="read_code")
def list_pipelines(call: Call) -> Response:
    found = [one for one in call.state.pipelines if call.given.get("sha", one.sha) == one.sha]
    return call.page(found[::-1], call.shapes.pipeline)


# https://docs.gitlab.com/api/repository_files/
def _file(call: Call) -> tuple[CommitId, bytes]:
    ref = str(call.given.get("ref", "main"))
    commit = call.state.git.resolve(ref)
    if commit is None:
        raise not_found("Commit")
    content = call.state.git.read(commit, call.args["path"])
    if not isinstance(content, bytes):
        raise not_found("File")
    return commit, content


@route("GET", "projects/:id/repository/files/:path/raw", needs="read_code", for_jobs=True, scopes=_READS)
def get_raw_file(call: Call) -> Response:
    commit, content = _file(call)
    return Response(headers={"Content-Type": "text/plain", "X-Gitlab-Commit-Id": commit}, body=content)


@route("GET", "projects/:id/repository/files/:path", needs="read_code", scopes=_READS)
def get_file(call: Call) -> JsonObject:
    commit, content = _file(call)
    path = call.args["path"]
    return {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content": base64.b64encode(content).decode(),
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": call.given.get("ref", "main"),
        "commit_id": commit,
        "last_commit_id": commit,
        "execute_filemode": False,
    }


# https://docs.gitlab.com/api/environments/
@route("GET", "projects/:id/environments", needs="read_deployment", for_jobs=True)
def list_environments(call: Call) -> Response:
    name = call.given.get("name")
    found = [one for one in call.state.environments.values() if name is None or one.name == name]
    return call.page(found, call.shapes.environment)


@route("GET", "projects/:id/environments/:environment", needs="read_deployment", for_jobs=True)
def get_environment(call: Call) -> JsonObject:
    return call.shapes.environment(_environment(call))


@route("POST", "projects/:id/environments", needs="deploy", for_jobs=True)
def create_environment(call: Call) -> JsonObject:
    name = str(call.required("name"))
    if any(one.name == name for one in call.state.environments.values()):
        raise invalid("name", "has already been taken")
    made = new_environment(call, name)
    return call.shapes.environment(_changed(call, made))


def new_environment(call: Call, name: str) -> Environment:
    """Keep a new environment."""
    at = call.state.now()
    made = Environment(id=call.state.next_id(), name=name, created_at=at, updated_at=at)
    call.state.environments[made.id] = made
    return made


@route("PUT", "projects/:id/environments/:environment", needs="deploy", for_jobs=True)
def update_environment(call: Call) -> JsonObject:
    return call.shapes.environment(_changed(call, _environment(call)))


def _environment(call: Call) -> Environment:
    found = call.state.environments.get(call.number("environment"))
    if found is None:
        raise not_found()
    return found


def _changed(call: Call, environment: Environment) -> Environment:
    text, url = call.given.get("description"), call.given.get("external_url")
    if text is not None and len(text) > ENVIRONMENT_TEXT_LIMIT:
        raise invalid("description", f"is too long (maximum is {ENVIRONMENT_TEXT_LIMIT} characters)")
    if url and not re.match(r"https?://", url):
        raise invalid("external_url", "is blocked: only allowed schemes are http, https")
    if text is not None and call.state.keeps_environment_text:
        environment.description = text
    if "external_url" in call.given:
        environment.external_url = url
    environment.updated_at = call.state.now()
    return environment


# https://docs.gitlab.com/api/deployments/
@route("GET", "projects/:id/deployments", needs="read_deployment", for_jobs=True)
def list_deployments(call: Call) -> Response:
    wanted = call.given.get("environment")
    found = [
        one
        for one in call.state.deployments.values()
        if wanted is None or call.state.environments[one.environment].name == wanted
    ]
    found.sort(key=lambda one: one.id, reverse=call.given.get("sort", "asc") == "desc")
    return call.page(found, call.shapes.deployment)


@route("GET", "projects/:id/deployments/:deployment", needs="read_deployment", for_jobs=True)
def get_deployment(call: Call) -> JsonObject:
    return call.shapes.deployment(_deployment(call))


@route("POST", "projects/:id/deployments", needs="deploy", for_jobs=True)
def create_deployment(call: Call) -> JsonObject:
    state = call.state
    name, sha, ref, status = (str(call.required(key)) for key in ("environment", "sha", "ref", "status"))
    if "tag" not in call.given:
        raise RefusedError(400, {"error": "tag is missing"})
    commit = state.git.resolve(sha)
    if commit is None:
        raise invalid("sha", "The commit does not exist")
    if state.git.resolve(ref) is None:
        raise invalid("ref", "The branch or tag does not exist")
    environment = next((one for one in state.environments.values() if one.name == name), None)
    at = state.now()
    made = Deployment(
        id=state.next_id(),
        environment=(environment or new_environment(call, name)).id,
        sha=commit,
        ref=ref,
        tag=bool(call.given["tag"]),
        status=_checked_state("created", status),
        author=call.login,
        created_at=at,
        updated_at=at,
    )
    state.deployments[made.id] = made
    return call.shapes.deployment(made)


@route("PUT", "projects/:id/deployments/:deployment", needs="deploy", for_jobs=True)
def update_deployment(call: Call) -> JsonObject:
    found = _deployment(call)
    if found.is_of_job:
        text = "403 Forbidden - Deployments created using GitLab CI can not be updated using the API"
        raise RefusedError(403, {"message": text})
    found.status = _checked_state(found.status, str(call.required("status")))
    found.updated_at = call.state.now()
    return call.shapes.deployment(found)


def _deployment(call: Call) -> Deployment:
    found = call.state.deployments.get(call.number("deployment"))
    if found is None:
        raise not_found()
    return found


def _checked_state(before: str, wanted: str) -> str:
    events = {"running": "run", "success": "succeed", "failed": "drop", "canceled": "cancel"}
    if wanted not in events:
        raise RefusedError(400, {"error": "status does not have a valid value"})
    if before == wanted or (wanted == "running" and before != "created"):
        raise invalid("status", f'cannot transition via "{events[wanted]}"')
    return wanted


# https://docs.gitlab.com/api/project_markdown_uploads/#upload-a-file
@route("POST", "projects/:id/uploads", needs="upload")
def upload(call: Call) -> JsonObject:
    kind = call.request.headers.get("Content-Type", "").encode()
    parsed = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + call.request.body)
    for part in parsed.walk():
        name = part.get_filename()
        if name:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            if len(content) > UPLOAD_LIMIT:
                raise RefusedError(413, {"message": "413 Request Entity Too Large"})
            return call.shapes.upload(re.sub(r"[^A-Za-z0-9_.\-]", "_", name), content)
    raise RefusedError(400, {"error": "file is missing"})
