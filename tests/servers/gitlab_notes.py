"""Notes on merge requests and issues of the GitLab stand-in: https://docs.gitlab.com/api/notes/"""

from __future__ import annotations

from typing import Final

from tests.servers.gitlab_calls import Call, RefusedError, forbidden, not_found, route
from tests.servers.gitlab_requests import act, found_issue, found_merge_request
from tests.servers.gitlab_state import Issue, JsonObject, MergeRequest, Note
from tests.servers.gitlab_texts import without_actions
from tests.servers.http_server import Response, json_response

NOTE_LIMIT: Final = 1_000_000
NOTES: Final = "projects/:id/(?P<kind>merge_requests|issues)/:iid/notes"


def _topic(call: Call) -> MergeRequest | Issue:
    if call.args["kind"] == "merge_requests":
        return found_merge_request(call)
    if call.token is not None and call.token.kind == "job":
        raise not_found("Project")  # job tokens read the notes of merge requests only
    return found_issue(call)


def _notes(call: Call) -> list[Note]:
    kind = "MergeRequest" if call.args["kind"] == "merge_requests" else "Issue"
    iid = _topic(call).iid
    shown = call.given.get("activity_filter") if call.state.knows_note_filter else None
    return [
        note
        for note in call.state.notes.values()
        if (note.kind, note.iid) == (kind, iid) and not (shown == "only_comments" and note.system)
    ]


def _note(call: Call) -> Note:
    found = next((note for note in _notes(call) if note.id == call.number("note")), None)
    if found is None:
        raise not_found()
    return found


def _editable(call: Call) -> Note:
    note = _note(call)
    if note.system:
        raise forbidden()
    if note.author != call.login:
        call.need("edit_foreign_note")
    return note


@route("GET", NOTES, for_jobs=True)
def list_notes(call: Call) -> Response:
    found = _notes(call)
    found.sort(key=lambda note: (note.created_at, note.id), reverse=call.given.get("sort", "desc") == "desc")
    return call.page(found, call.shapes.note)


@route("GET", f"{NOTES}/:note", for_jobs=True)
def get_note(call: Call) -> JsonObject:
    return call.shapes.note(_note(call))


@route("POST", NOTES)
def create_note(call: Call) -> object:
    topic = _topic(call)
    is_request = isinstance(topic, MergeRequest)
    call.need("note_merge_request" if is_request else "note_issue")
    text, commands = _checked(str(call.required("body")))
    act(topic, commands, call.state.now())
    if not text:
        return json_response({"commands_changes": {name: True for name, _ in commands}, "summary": []}, 202)
    kept = call.state.note("MergeRequest" if is_request else "Issue", topic.iid, text, call.login, system=False)
    return call.shapes.note(kept)


@route("PUT", f"{NOTES}/:note")
def update_note(call: Call) -> JsonObject:
    note = _editable(call)
    note.body, commands = _checked(str(call.required("body")))
    act(_topic(call), commands, call.state.now())
    note.updated_at = call.state.now()
    return call.shapes.note(note)


@route("DELETE", f"{NOTES}/:note")
def delete_note(call: Call) -> Response:
    del call.state.notes[_editable(call).id]
    return Response(status=204)


def _checked(body: str) -> tuple[str, list[tuple[str, str]]]:
    if len(body) > NOTE_LIMIT:
        text = f'400 Bad request - Note {{:note=>["is too long (maximum is {NOTE_LIMIT} characters)"]}}'
        raise RefusedError(400, {"message": text})
    return without_actions(body)
