"""Files in a commit, without a clone.

From GitHub's documentation: "REST API endpoints for repository contents" (up to 1 MB), "... for Git blobs" (to 100 MB).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import quote

from ci_core.errors import NotFoundOnHostError
from ci_core.hosts.github.answers import Json, UnusableAnswerError, needed_text, record, text
from ci_core.hosts.github.permissions import READ
from ci_core.hosts.github.refusals import Doing

if TYPE_CHECKING:
    from ci_core.hosts.github.client import Client
    from ci_core.types import CommitId


def read_file(client: Client, path: str, commit: CommitId) -> bytes | None:
    """Return a file as it is in a commit; None when that commit has no such file.

    Raises:
        NotFoundOnHostError: GitHub has no such commit.
    """
    if {"", ".", ".."} & set(path.split("/")):
        return None  # no name in a commit; in an address it would lead elsewhere
    doing = Doing(action=f"show the file `{path}`", needs=READ, kind="file", name=path)
    try:
        entry = client.get_any(doing, f"{client.path}/contents/{quote(path)}", _file, {"ref": commit})
    except NotFoundOnHostError as error:
        if error.kind == "commit":
            raise
        if not client.refusals.is_known_to_exist:
            _check_repository(client)
        return None
    if entry is None:
        return None
    if needed_text(entry, "encoding") == "none":  # too large for this call
        blob = f"{client.path}/git/blobs/{needed_text(entry, 'sha')}"
        return client.get(doing, blob, _content)
    return _content(entry)


def _check_repository(client: Client) -> None:
    """Raise when the repository, and not only the file, is not there for our token."""
    client.get(Doing(action="show the repository", needs=READ), client.path, lambda _repository: None)


def _file(answer: object) -> Json | None:
    """Return the record of a file; None for a folder (a list), a link, or another repository's commit."""
    if isinstance(answer, list):
        return None
    entry = record(answer)
    return entry if entry.get("type") == "file" else None


def _content(entry: Json) -> bytes:
    if needed_text(entry, "encoding") != "base64":
        raise UnusableAnswerError("the file's content is not in base64")
    try:
        return base64.b64decode("".join(text(entry, "content").split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableAnswerError("the file's content is not in base64") from None
