"""The hidden line by which we find again what we wrote on a host (pure).

Format, version 1: the first line of a body, alone on that line::

    <!-- graphship:v1 key=<16 hex> sha=<40 or 64 hex> run=<id>.<attempt> body=<16 hex> -->

* ``key``: sha256 of the scope, shortened: what this text is about. Two scopes never share a text.
* ``sha``: the commit that the text speaks of.
* ``run``: which run wrote it; a larger one is newer.
* ``body``: sha256 of everything that the reader sees but measured times, shortened: equal means that nothing new is to
  be said.

A marker is recognized by parsing the whole first line and comparing ``key`` for equality; a part of a line, another
version, or a marker further down (a name from somebody's repository may contain one) is no marker. Who wrote it is the
caller's question: see ``hosts/upsert.py``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKER = re.compile(
    r"<!-- graphship:v1"
    r" key=(?P<key>[0-9a-f]{16})"
    r" sha=(?P<sha>[0-9a-f]{40}|[0-9a-f]{64})"
    r" run=(?P<id>[0-9]{1,18})\.(?P<attempt>[0-9]{1,9})"
    r" body=(?P<body>[0-9a-f]{16})"
    r" -->",
    re.ASCII,
)

MARKER_ROOM = 192
"""Characters that a marker and its line end need at most: subtract them from the host's body limit."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Run:
    """Which run of the CI system writes; ordered from old to new."""

    id: int
    """Grows with every run on one CI system."""
    attempt: int = 1
    """Grows when a run is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The facts in the hidden line."""

    key: str
    sha: CommitId
    run: Run
    body: str

    def render(self) -> str:
        """Return the line, without a line end."""
        return (
            f"<!-- graphship:v1 key={self.key} sha={self.sha} run={self.run.id}.{self.run.attempt} body={self.body} -->"
        )

    def attach(self, text: str) -> str:
        """Return `text` with this marker above it."""
        return f"{self.render()}\n{text}"


def scope_key(scope: Sequence[str]) -> str:
    """Return the key of a scope, such as ``("report", "flights", "staging")``: 16 hexadecimal digits.

    The parts are hashed as a JSON list, so that ``("a", "b")`` and ``("ab",)`` differ.
    """
    return _short_hash(json.dumps(list(scope), ensure_ascii=False))


def content_hash(*parts: str) -> str:
    """Return the hash of what the reader sees: 16 hexadecimal digits.

    Line ends and blanks at line ends do not count; hosts change them.
    """
    lines = ["\n".join(line.rstrip() for line in part.splitlines()).rstrip("\n") for part in parts]
    return _short_hash(json.dumps(lines, ensure_ascii=False))


def parse_marker(body: str) -> Marker | None:
    """Return the marker in the first line of `body`; None when that line is anything else."""
    first = body.partition("\n")[0].rstrip("\r")
    found = _MARKER.fullmatch(first)
    if found is None:
        return None
    return Marker(
        key=found["key"],
        sha=CommitId(found["sha"]),
        run=Run(id=int(found["id"]), attempt=int(found["attempt"])),
        body=found["body"],
    )


def without_marker(body: str) -> str:
    """Return `body` as the reader sees it: without its marker, if it has one."""
    return body if parse_marker(body) is None else body.partition("\n")[2]


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
