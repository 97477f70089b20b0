"""Check runs of the GitHub stand-in: only apps, and jobs, may write them."""

from __future__ import annotations

from tests.servers.github_answers import Call, Routes, now, page, required
from tests.servers.github_records import resolved
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response, json_response

routes = Routes()


def _only_apps(call: Call) -> None:
    if call.token is None or not call.token.is_integration:
        raise Refused(403, "You must authenticate via a GitHub App.")


@routes("POST", "check-runs", "checks=write")
def create_check_run(call: Call) -> Response:
    _only_apps(call)
    required(call.body, "name", "head_sha")
    commit, own = resolved(call.hub, call.body["head_sha"]), call.hub.next_id()
    run = {
        "id": own,
        "node_id": f"CR_{own}",
        "url": f"{call.hub.api}/check-runs/{own}",
        "html_url": f"{call.hub.web}/runs/{own}",
        "head_sha": commit,
        "status": "queued",
        "conclusion": None,
        "started_at": now(),
        "completed_at": None,
        "external_id": "",
        "details_url": None,
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": ""},
        "check_suite": {"id": 1},
        "app": None,
        "pull_requests": [],
    }
    call.hub.check_runs.insert(0, _changed(run, call.body))
    return json_response(run, 201)


def _changed(run: Json, body: Json) -> Json:
    plain = ("name", "status", "conclusion", "external_id", "details_url", "completed_at", "started_at")
    run |= {name: body[name] for name in plain if name in body}
    if run["conclusion"] and run["status"] != "completed":
        run |= {"status": "completed", "completed_at": now()}
    output = body.get("output") or {}
    run["output"] |= {name: value for name, value in output.items() if name != "annotations"}
    run["output"]["annotations_count"] += len(output.get("annotations", ()))
    return run


def _check_run(call: Call) -> Json:
    found = next((one for one in call.hub.check_runs if one["id"] == call.number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@routes("GET", "check-runs/{number}", "checks=read")
def get_check_run(call: Call) -> Response:
    return json_response(_check_run(call))


@routes("PATCH", "check-runs/{number}", "checks=write")
def update_check_run(call: Call) -> Response:
    _only_apps(call)
    return json_response(_changed(_check_run(call), call.body))


@routes("GET", "commits/{ref}/check-runs", "checks=read")
def list_check_runs(call: Call) -> Response:
    commit, name = resolved(call.hub, call.names["ref"]), call.request.query.get("check_name")
    found = [run for run in call.hub.check_runs if run["head_sha"] == commit and name in (None, run["name"])]
    return page(call, found, lambda shown: {"total_count": len(found), "check_runs": shown})
