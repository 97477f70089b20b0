"""Show text that is not ours without letting it act on the terminal.

Names, values and messages from a user's repository may hold control characters: a terminal would obey them, a log
would be cut in two by them. Every place that prints such text passes it through :func:`printable`. Imports nothing of
ours.
"""

from __future__ import annotations

import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Control, format (bidirectional overrides among them), surrogate, private use, line and paragraph separators."""

_KEPT = frozenset("\n\u200d")
"""A line break is laid out by the caller; the zero-width joiner is part of written words and of emoji."""


def printable(text: str, *, max_chars: int | None = None) -> str:
    r"""Return `text` with characters that a terminal would obey written as escapes.

    Args:
        text: any text; lone surrogates (undecodable bytes of a file name) are escaped too.
        max_chars: cut the result to this many characters, the last of them ``…``; None keeps all of it.

    Returns:
        `text` with, for instance, the escape character as ``\x1b`` and a tab as ``\t``. Line breaks stay.
    """
    # Most text is plain; asking for each character is a hundred times slower, and stages print millions of lines.
    is_plain = text.isprintable()
    shown = text if is_plain else "".join(_escaped(c) if _is_unsafe(c) else c for c in text)
    if max_chars is not None and len(shown) > max_chars:
        return shown[: max_chars - 1] + "…"
    return shown


def one_line(text: str, *, max_chars: int | None = None) -> str:
    r"""Return `text` as :func:`printable` does, on one line: line breaks become ``\n``."""
    return printable(text.replace("\n", "\\n"), max_chars=max_chars)


def _is_unsafe(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _UNSAFE_CATEGORIES


def _escaped(character: str) -> str:
    return ascii(character)[1:-1]
