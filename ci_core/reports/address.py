"""Which addresses may be linked, and how they are spelled (pure)."""

from __future__ import annotations

import re
from urllib.parse import quote

_SAFE = re.compile(r"(?:https?://[^\s/]|(?![a-zA-Z][a-zA-Z0-9+.\-]*:|//|\\)[^\s])[^\s]*", re.ASCII)


def is_safe_url(url: str) -> bool:
    """Return whether `url` may be linked: ``http:``, ``https:`` or a relative path, without blanks.

    ``javascript:``, ``data:``, ``file:`` and scheme-less addresses of other hosts (``//host``) may not.
    """
    return _SAFE.fullmatch(url) is not None and url.isprintable()


def quote_url(url: str) -> str:
    """Return `url` with everything percent-encoded that could end it in Markdown or HTML."""
    return quote(url, safe="/:?#@!$&*+,;=%~-._", errors="replace")
