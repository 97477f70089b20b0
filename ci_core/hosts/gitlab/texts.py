"""Texts as GitLab reads them: drafts by their title, and lines that it would obey (pure)."""

from __future__ import annotations

import re
from typing import Final

DRAFT_PREFIX: Final = "Draft: "
_DRAFT: Final = re.compile(r"(?:draft:|\[draft\]|\(draft\))\s*", re.IGNORECASE)
"""From GitLab's documentation, "Draft merge requests"."""
_QUICK_ACTION: Final = re.compile(r"^(?=/[A-Za-z])", re.MULTILINE)


def without_draft(title: str) -> str:
    """Return a title without what makes its merge request a draft.

    >>> without_draft("Draft: [Draft] Retrain flights")
    'Retrain flights'
    """
    while found := _DRAFT.match(title):
        title = title[found.end() :]
    return title


def is_draft_title(title: str) -> bool:
    """Say whether a title makes its merge request a draft."""
    return _DRAFT.match(title) is not None


def without_quick_actions(body: str) -> str:
    r"""Return `body` with a blank before each line that GitLab would take for a command, such as ``/merge``.

    GitLab obeys these also when they come through its interface, with the rights of our token, and our texts quote
    names and lines of logs that others wrote. It leaves code blocks alone, by rules of its own that a text can be made
    to slip through; so the blank is put everywhere. A reader of Markdown does not see it, outside of code blocks.

    >>> without_quick_actions("see below\n/close\na/b")
    'see below\n /close\na/b'
    """
    return _QUICK_ACTION.sub(" ", body.replace("\r\n", "\n").replace("\r", "\n"))
