"""Commit statuses and deployments of the GitHub stand-in, in the documented shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.servers.git_http import MergeConflictError
from tests.servers.github_answers import Call, Routes, invalid, now, page, required
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response, json_response

if TYPE_CHECKING:
    from tests.servers.github_hub import Hub

routes = Routes()
_STATUS_STATES: Final = frozenset({"error", "failure", "pending", "success"})
_DEPLOYMENT_STATES: Final = frozenset({"error", "failure", "inactive", "in_progress", "queued", "pending", "success"})
_DESCRIPTION_LIMIT: Final = 140
_STATUS_LIMIT: Final = 1000
"""Of one commit and context."""


def resolved(hub: Hub, ref: str) -> str:
    """Return the commit that is meant.

    Raises:
        Refused: 422, there is none.
    """
    commit = hub.repository.resolve(ref)
    if commit is None:
        raise Refused(422, f"No commit found for SHA: {ref}")
    return commit


def _described(resource: str, body: Json) -> None:
    if len(body.get("description") or "") > _DESCRIPTION_LIMIT:
        said = f"description is too long (maximum is {_DESCRIPTION_LIMIT} characters)"
        raise invalid(resource, "description", "custom", said)


@routes("POST", "statuses/{sha}", "statuses=write")
def create_status(call: Call) -> Response:
    hub, body = call.hub, call.body
    required(body, "state")
    if body["state"] not in _STATUS_STATES:
        raise invalid("Status", "state", "custom", "state is not included in the list")
    _described("Status", body)
    commit = resolved(hub, call.names["sha"])
    context = body.get("context") or "default"
    if sum(status["context"] == context for status in _statuses(hub, commit)) >= _STATUS_LIMIT:
        raise invalid("Status", "sha", "custom", "This SHA and context has reached the maximum number of statuses.")
    own, at = hub.next_id(), now()
    status = {
        "id": own,
        "node_id": f"SC_{own}",
        "url": f"{hub.api}/statuses/{commit}",
        "avatar_url": hub.user(call.login)["avatar_url"],
        "state": body["state"],
        "description": body.get("description"),
        "target_url": body.get("target_url"),
        "context": context,
        "created_at": at,
        "updated_at": at,
        "creator": hub.user(call.login),
    }
    hub.statuses.insert(0, {"commit": commit, "shown": status})
    return json_response(status, 201)


def _statuses(hub: Hub, commit: str) -> list[Json]:
    """Return all statuses of a commit, newest first."""
    return [one["shown"] for one in hub.statuses if one["commit"] == commit]


@routes("GET", "statuses/{ref}", "statuses=read")  # no longer described, and what PyGithub still asks
@routes("GET", "commits/{ref}/statuses", "statuses=read")
def list_statuses(call: Call) -> Response:
    return page(call, _statuses(call.hub, resolved(call.hub, call.names["ref"])))


@routes("GET", "commits/{ref}/status", "statuses=read")
def combined_status(call: Call) -> Response:
    hub = call.hub
    commit = resolved(hub, call.names["ref"])
    newest = _newest(hub, commit)
    answer = {
        "state": _combined(newest),
        "total_count": len(newest),
        "sha": commit,
        "commit_url": f"{hub.api}/commits/{commit}",
        "url": f"{hub.api}/commits/{commit}/status",
        "repository": hub.repository_json("acme", None),
    }
    return page(
        call,
        newest,
        lambda shown: answer | {"statuses": [_without_creator(one) for one in shown]},  # type: ignore[arg-type]  # a list of ours
    )


def _without_creator(status: Json) -> Json:
    return {name: value for name, value in status.items() if name != "creator"}


def _newest(hub: Hub, commit: str) -> list[Json]:
    newest: dict[str, Json] = {}
    for status in _statuses(hub, commit):
        newest.setdefault(status["context"], status)
    return list(newest.values())


def _combined(newest: list[Json]) -> str:
    states = {status["state"] for status in newest}
    if states & {"error", "failure"}:
        return "failure"
    return "success" if states == {"success"} else "pending"


@routes("POST", "deployments", "deployments=write")
def create_deployment(call: Call) -> Response:
    hub, body = call.hub, call.body
    required(body, "ref")
    commit = hub.repository.resolve(body["ref"])
    if commit is None:
        raise Refused(422, f"No ref found for: {body['ref']}")
    _described("Deployment", body)
    if body.get("auto_merge", True) and not hub.repository.contains(commit, hub.repository.git("rev-parse", "main")):
        return _auto_merge(hub, body["ref"])
    _check_contexts(hub, commit, body)
    environment, own, at = body.get("environment") or "production", hub.next_id(), now()
    deployment = {
        "id": own,
        "node_id": f"DE_{own}",
        "url": f"{hub.api}/deployments/{own}",
        "sha": commit,
        "ref": body["ref"],
        "task": body.get("task") or "deploy",
        "payload": {} if body.get("payload") is None else body["payload"],
        "original_environment": environment,
        "environment": environment,
        "description": body.get("description"),
        "creator": hub.user(call.login),
        "created_at": at,
        "updated_at": at,
        "statuses_url": f"{hub.api}/deployments/{own}/statuses",
        "repository_url": hub.api,
        "transient_environment": bool(body.get("transient_environment")),
        "production_environment": bool(body.get("production_environment", environment == "production")),
        "performed_via_github_app": None,
    }
    hub.deployments.insert(0, deployment)
    hub.deployment_statuses[own] = []
    return json_response(deployment, 201)


def _auto_merge(hub: Hub, ref: str) -> Response:
    """Do what an unwary deployment asks for: merge the default branch into the one that is deployed."""
    if ref not in hub.repository.branches():
        raise Refused(409, f"Conflict merging main into {ref}.")
    try:
        tip = hub.repository.git("rev-parse", "main")
        hub.repository.merge(ref, tip, message=f"Merge main into {ref}")
    except MergeConflictError:
        raise Refused(409, f"Conflict merging main into {ref}.") from None
    return json_response({"message": f"Auto-merged main into {ref} on deployment."}, 202)


def _check_contexts(hub: Hub, commit: str, body: Json) -> None:
    newest = {status["context"]: status["state"] for status in _newest(hub, commit)}
    wanted = body.get("required_contexts")
    contexts = list(newest) if wanted is None else wanted
    if any(newest.get(context) != "success" for context in contexts):
        raise Refused(409, f"Conflict: Commit status checks failed for {body['ref']}.")


@routes("GET", "deployments", "deployments=read")
def list_deployments(call: Call) -> Response:
    query = call.request.query
    wanted = {name: query[name] for name in ("sha", "ref", "task", "environment") if query.get(name, "none") != "none"}
    found = [one for one in call.hub.deployments if all(one[name] == value for name, value in wanted.items())]
    return page(call, found)


def _deployment(call: Call) -> Json:
    found = next((one for one in call.hub.deployments if one["id"] == call.number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@routes("GET", "deployments/{number}", "deployments=read")
def get_deployment(call: Call) -> Response:
    return json_response(_deployment(call))


@routes("DELETE", "deployments/{number}", "deployments=write")
def delete_deployment(call: Call) -> Response:
    hub, deployment = call.hub, _deployment(call)
    states = [status["state"] for status in hub.deployment_statuses[deployment["id"]][:1]]
    others = [one for one in hub.deployments if one["environment"] == deployment["environment"]]
    if states != ["inactive"] and len(others) > 1:
        raise Refused(
            422, "We cannot delete an active deployment unless it is the only deployment in a given environment."
        )
    hub.deployments.remove(deployment)
    return Response(status=204)


@routes("GET", "deployments/{number}/statuses", "deployments=read")
def list_deployment_statuses(call: Call) -> Response:
    return page(call, call.hub.deployment_statuses[_deployment(call)["id"]])


@routes("GET", "deployments/{number}/statuses/{status}", "deployments=read")
def get_deployment_status(call: Call) -> Response:
    for status in call.hub.deployment_statuses[_deployment(call)["id"]]:
        if str(status["id"]) == call.names["status"]:
            return json_response(status)
    raise Refused(404, "Not Found")


@routes("POST", "deployments/{number}/statuses", "deployments=write")
def create_deployment_status(call: Call) -> Response:
    hub, body, deployment = call.hub, call.body, _deployment(call)
    required(body, "state")
    if body["state"] not in _DEPLOYMENT_STATES:
        raise invalid("DeploymentStatus", "state", "custom", "state is not included in the list")
    _described("DeploymentStatus", body)
    if body.get("environment"):
        deployment["environment"] = body["environment"]
    if body["state"] == "success" and body.get("auto_inactive", True):
        _retire(hub, deployment, call.login)
    status = _add_status(hub, deployment, body, call.login)
    return json_response(status, 201)


def _add_status(hub: Hub, deployment: Json, body: Json, login: str) -> Json:
    own, at = hub.next_id(), now()
    log = body.get("log_url") or body.get("target_url") or ""
    status = {
        "id": own,
        "node_id": f"DES_{own}",
        "url": f"{deployment['url']}/statuses/{own}",
        "state": body["state"],
        "creator": hub.user(login),
        "description": body.get("description") or "",
        "environment": deployment["environment"],
        "target_url": log,
        "log_url": log,
        "environment_url": body.get("environment_url") or "",
        "created_at": at,
        "updated_at": at,
        "deployment_url": deployment["url"],
        "repository_url": hub.api,
        "performed_via_github_app": None,
    }
    hub.deployment_statuses[deployment["id"]].insert(0, status)
    return status


def _retire(hub: Hub, newer: Json, login: str) -> None:
    """Do what ``auto_inactive`` is documented to: earlier successes of the environment become inactive.

    Transient and production environments are left as they are.
    """
    for one in hub.deployments:
        if one["id"] == newer["id"] or one["environment"] != newer["environment"]:
            continue
        if one["transient_environment"] or one["production_environment"] or one["id"] > newer["id"]:
            continue
        states = [status["state"] for status in hub.deployment_statuses[one["id"]]]
        if "success" in states and states[0] != "inactive":
            _add_status(hub, one, {"state": "inactive"}, login)


@routes("GET", "environments", "actions=read")
def list_environments(call: Call) -> Response:
    names = list(dict.fromkeys(one["environment"] for one in call.hub.deployments))
    found = [{"id": index, "name": name} for index, name in enumerate(names, 1)]
    return page(call, found, lambda shown: {"total_count": len(found), "environments": shown})
