"""Code in the GitHub stand-in: contents, commits, branches and comparisons, all read from the real repository."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from tests.servers.github_answers import Call, Routes, invalid, page, required
from tests.servers.github_emulator import OWNER
from tests.servers.github_refused import Json, Refused
from tests.servers.http_server import Response, json_response

if TYPE_CHECKING:
    from ci_core.types import CommitId
    from tests.servers.github_hub import Hub

routes = Routes()
_INLINE_LIMIT: Final = 1_000_000
"""Larger files come without their content, unless they are asked for raw."""
_LETTERS: Final = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}


def commit_json(hub: Hub, commit: str, owner: str = OWNER) -> Json:
    """Return a commit."""
    found = hub.store(owner).commit(commit)
    who = {"name": found.author, "email": found.email, "date": found.date}
    return {
        "sha": found.id,
        "node_id": f"C_{found.id}",
        "url": f"{hub.api}/commits/{found.id}",
        "html_url": f"{hub.web}/commit/{found.id}",
        "comments_url": f"{hub.api}/commits/{found.id}/comments",
        "commit": {
            "url": f"{hub.api}/git/commits/{found.id}",
            "author": who,
            "committer": who,
            "message": found.message,
            "tree": {"sha": found.tree, "url": f"{hub.api}/git/trees/{found.tree}"},
            "comment_count": 0,
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": parent, "url": f"{hub.api}/commits/{parent}", "html_url": f"{hub.web}/commit/{parent}"}
            for parent in found.parents
        ],
    }


def file_json(hub: Hub, base: str, head: str, row: tuple[str, str, int, int]) -> Json:
    """Return one changed file; `row` is one of ``BareRepository.changed_files``."""
    letter, path, added, gone = row
    store = hub.repository
    shown = {
        "sha": store.fact("rev-parse", f"{base if letter == 'D' else head}:{path}"),
        "filename": path,
        "status": _LETTERS[letter],
        "additions": added,
        "deletions": gone,
        "changes": added + gone,
        "blob_url": f"{hub.web}/blob/{head}/{path}",
        "raw_url": f"{hub.web}/raw/{head}/{path}",
        "contents_url": f"{hub.api}/contents/{path}?ref={head}",
    }
    patch = store.fact("diff", "--no-renames", base, head, "--", f":(literal){path}").partition("\n@@")
    return {**shown, "patch": f"@@{patch[2]}"} if patch[1] else shown


def _commit(call: Call, name: str, status: int = 404) -> CommitId:
    found = call.hub.store(call.names["owner"]).resolve(name)
    if found is None:
        word = "SHA" if status == 422 else "the ref"
        raise Refused(
            status, f"No commit found for {word}: {name}" if status == 422 else f"No commit found for {word} {name}"
        )
    return found


@routes("GET", "contents/{path...}", "contents=read")
def get_contents(call: Call) -> Response:
    path, owner = call.names["path"].strip("/"), call.names["owner"]
    commit = _commit(call, call.request.query.get("ref") or "main")
    found = call.hub.store(owner).read(commit, path)
    if found is None:
        raise Refused(404, "Not Found")
    if isinstance(found, bytes):
        if "raw" in call.request.headers.get("Accept", ""):
            return Response(headers={"Content-Type": "application/vnd.github.raw"}, body=found)
        return json_response(_file(call, commit, path, found))
    return json_response([_entry(call, commit, name, kind, blob) for kind, blob, name in found])


def _entry(call: Call, commit: str, path: str, kind: str, blob: str) -> Json:
    hub, name = call.hub, path.rpartition("/")[2]
    url = f"{hub.api}/contents/{path}?ref={commit}"
    return {
        "name": name,
        "path": path,
        "sha": blob,
        "size": 0,
        "type": {"blob": "file", "tree": "dir"}.get(kind, "submodule"),
        "url": url,
        "html_url": f"{hub.web}/blob/{commit}/{path}",
        "git_url": f"{hub.api}/git/blobs/{blob}",
        "download_url": f"{hub.web}/raw/{commit}/{path}",
        "_links": {"self": url, "html": f"{hub.web}/blob/{commit}/{path}", "git": f"{hub.api}/git/blobs/{blob}"},
    }


def _file(call: Call, commit: str, path: str, content: bytes) -> Json:
    blob = call.hub.store(call.names["owner"]).git("rev-parse", f"{commit}:{path}")
    is_large = len(content) > _INLINE_LIMIT
    text = "" if is_large else base64.encodebytes(content).decode()
    shown = _entry(call, commit, path, "blob", blob)
    return shown | {"size": len(content), "content": text, "encoding": "none" if is_large else "base64"}


@routes("GET", "commits/{ref}", "contents=read")
def get_commit(call: Call) -> Response:
    commit = _commit(call, call.names["ref"], 422)
    if call.request.headers.get("Accept", "").endswith("sha"):
        return Response(headers={"Content-Type": "text/plain"}, body=commit.encode())
    return json_response(commit_json(call.hub, commit, call.names["owner"]))


@routes("GET", "commits", "contents=read")
def list_commits(call: Call) -> Response:
    commit = _commit(call, call.request.query.get("sha") or "main")
    found = call.hub.store(call.names["owner"]).git("rev-list", commit).splitlines()
    return page(call, found, lambda shown: [commit_json(call.hub, str(one), call.names["owner"]) for one in shown])


@routes("GET", "branches", "contents=read")
def list_branches(call: Call) -> Response:
    tips = call.hub.store(call.names["owner"]).branches()
    return page(call, [_branch(call, name, tip) for name, tip in tips.items()])


@routes("GET", "branches/{name...}", "contents=read")
def get_branch(call: Call) -> Response:
    name = call.names["name"]
    tip = call.hub.store(call.names["owner"]).branches().get(name)
    if tip is None:
        raise Refused(404, "Branch not found")
    url = f"{call.hub.api}/branches/{name}"
    whole = {
        "commit": commit_json(call.hub, tip, call.names["owner"]),
        "_links": {"self": url, "html": f"{call.hub.web}/tree/{name}"},
        "protection": {"enabled": name in call.hub.protected},
        "protection_url": f"{url}/protection",
    }
    return json_response(_branch(call, name, tip) | whole)


def _branch(call: Call, name: str, tip: str) -> Json:
    commit = {"sha": tip, "url": f"{call.hub.api}/commits/{tip}"}
    return {"name": name, "commit": commit, "protected": name in call.hub.protected}


@routes("GET", "git/ref/{ref...}", "contents=read")
def get_ref(call: Call) -> Response:
    tip = call.hub.repository.resolve(f"refs/{call.names['ref']}")
    if tip is None:
        raise Refused(404, "Not Found")
    return json_response(_ref(call, call.names["ref"], tip))


def _ref(call: Call, name: str, tip: str) -> Json:
    thing = {"type": "commit", "sha": tip, "url": f"{call.hub.api}/git/commits/{tip}"}
    return {"ref": f"refs/{name}", "node_id": f"REF_{name}", "url": f"{call.hub.api}/git/refs/{name}", "object": thing}


@routes("POST", "git/refs", "contents=write")
def create_ref(call: Call) -> Response:
    required(call.body, "ref", "sha")
    name = call.body["ref"].removeprefix("refs/")
    if call.hub.repository.resolve(f"refs/{name}") is not None:
        raise Refused(422, "Reference already exists")
    if not _is_commit(call, call.body["sha"]):
        raise Refused(422, "Object does not exist")
    call.hub.repository.move(f"refs/{name}", call.body["sha"])
    return json_response(_ref(call, name, call.body["sha"]), 201)


@routes("PATCH", "git/refs/{ref...}", "contents=write")
def update_ref(call: Call) -> Response:
    required(call.body, "sha")
    name, store = call.names["ref"], call.hub.repository
    tip = store.resolve(f"refs/{name}")
    if tip is None:
        raise Refused(422, "Reference does not exist")
    if not _is_commit(call, call.body["sha"]):
        raise Refused(422, "Object does not exist")
    if not call.body.get("force") and not store.contains(call.body["sha"], tip):
        raise Refused(422, "Update is not a fast forward")
    _check_protected(call, name)
    store.move(f"refs/{name}", call.body["sha"])
    return json_response(_ref(call, name, call.body["sha"]))


@routes("DELETE", "git/refs/{ref...}", "contents=write")
def delete_ref(call: Call) -> Response:
    name, store = call.names["ref"], call.hub.repository
    if store.resolve(f"refs/{name}") is None:
        raise Refused(422, "Reference does not exist")
    _check_protected(call, name)
    store.move(f"refs/{name}", None)
    call.hub.follow_pushes()
    return Response(status=204)


def _is_commit(call: Call, sha: str) -> bool:
    return bool(re.fullmatch("[0-9a-f]{40}", sha)) and call.hub.repository.resolve(sha) is not None


def _check_protected(call: Call, name: str) -> None:
    if name.removeprefix("heads/") in call.hub.protected:
        raise invalid("Reference", "ref", "protected", f"Protected branch update failed for refs/{name}.")


@routes("GET", "compare/{basehead...}", "contents=read")
def compare(call: Call) -> Response:
    hub = call.hub
    first, _, second = call.names["basehead"].partition("...")
    base, head = _commit(call, first), _commit(call, second)
    try:
        common = hub.repository.fact("merge-base", base, head)
    except Exception as error:
        raise Refused(404, f"No common ancestor between {first} and {second}.") from error
    ahead, behind = hub.repository.between(base, head), hub.repository.between(head, base)
    words = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind", (False, False): "identical"}
    url = f"{hub.api}/compare/{call.names['basehead']}"
    return json_response(
        {
            "url": url,
            "html_url": f"{hub.web}/compare/{call.names['basehead']}",
            "permalink_url": f"{hub.web}/compare/{base}...{head}",
            "diff_url": f"{hub.web}/compare/{call.names['basehead']}.diff",
            "patch_url": f"{hub.web}/compare/{call.names['basehead']}.patch",
            "base_commit": commit_json(hub, base),
            "merge_base_commit": commit_json(hub, common),
            "status": words[bool(ahead), bool(behind)],
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "commits": [commit_json(hub, commit) for commit in ahead],
            "files": [file_json(hub, common, head, row) for row in hub.repository.changed_files(common, head)],
        }
    )
