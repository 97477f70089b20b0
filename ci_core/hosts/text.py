"""Make names from a repository harmless in the Markdown of a host (pure).

A branch, column or stage may be called ``@team``, ``#12``, ``a|b`` or ``<img src=x>``. In a comment such a name must
mention nobody, refer to nothing, load nothing, and leave the table around it whole. Two ways to show it: as a code span
(:func:`code`) or as running text (:func:`plain`).
"""

from __future__ import annotations

import re
import unicodedata

_BREAKS = re.compile(r"\s+")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$^:=])")
_AUTOLINK = re.compile(r"(?i)(https?|ftp|www)(?=\\?[:.])")
_BACKTICKS = re.compile(r"`+")

_WORD_JOINER = "\u2060"
"""Invisible and without width: parts ``@`` and a name so that hosts see no mention."""

_LONGEST = 200
"""Characters of a name that are shown: a longer one says no more and breaks every table."""


def code(name: str) -> str:
    """Return `name` as a code span that is safe in running text and in a table cell.

    Hosts neither mention nor link nor render what stands in a code span. A pipe would still end a table cell, so it is
    shown as the similar sign ``¦``; line breaks become blanks; control and direction signs are shown as ``U+202E``.
    """
    text = _tidy(name).replace("|", "¦") or "(empty)"
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def plain(text: str) -> str:
    """Return `text` so that Markdown shows it letter by letter and the host neither mentions nor links anything."""
    tidy = _tidy(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKDOWN.sub(r"\\\1", tidy)
    parted = escaped.replace("@", f"@{_WORD_JOINER}").replace("\\#", f"\\#{_WORD_JOINER}")
    return _AUTOLINK.sub(lambda found: f"{found[1][:1]}{_WORD_JOINER}{found[1][1:]}", parted)


def _tidy(text: str) -> str:
    """Return `text` on one line, without signs that hide or turn what follows, at most `_LONGEST` characters long."""
    one_line = _BREAKS.sub(" ", text).strip()
    short = one_line if len(one_line) <= _LONGEST else one_line[: _LONGEST - 1] + "…"
    return "".join(f"U+{ord(sign):04X}" if unicodedata.category(sign) in {"Cc", "Cf", "Cs"} else sign for sign in short)
