"""A short key for what a drift is about, so that a refused retraining is not proposed again the next night (pure).

The key holds the live release (drift of another model is another matter) and a hash of each column that moved::

    3f2a9c1be07d:1f0c2a9b,77ab03de

It is kept in the change request's text, in a hidden line of its own. New evidence is another release, or a column that
had not moved then; fewer columns or more days of the same are none.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE = re.compile(r"^<!-- graphship:evidence (?P<key>[0-9a-z-]{1,12}:[0-9a-f,]*) -->\r?$", re.MULTILINE | re.ASCII)
_NOT_ALLOWED = re.compile(r"[^0-9a-z]+", re.ASCII)
_RELEASE_DIGITS = 12
_COLUMN_DIGITS = 8


def evidence_key(release: str, columns: Iterable[str]) -> str:
    """Return the key of a drift of `columns` under a live `release` (its id, or empty when none is live)."""
    hashes = sorted(
        {hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_COLUMN_DIGITS] for name in columns}
    )
    short = _NOT_ALLOWED.sub("", release.lower())[:_RELEASE_DIGITS] or "-"
    return f"{short}:{','.join(hashes)}"


def is_new_evidence(key: str, *, than: str) -> bool:
    """Say whether `key` tells of something that `than` did not."""
    release, _, columns = key.partition(":")
    old_release, _, old_columns = than.partition(":")
    return release != old_release or not set(columns.split(",")) <= set(old_columns.split(","))


def evidence_line(key: str) -> str:
    """Return the hidden line that carries `key`."""
    return f"<!-- graphship:evidence {key} -->"


def find_evidence(body: str) -> str:
    """Return the key in a change request's text, the last one if there are more; empty when there is none.

    The caller makes sure that we wrote the text.
    """
    found = _LINE.findall(body)
    return found[-1] if found else ""
