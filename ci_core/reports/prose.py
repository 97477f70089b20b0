"""Sentences with names in backticks as lines of a page, shortened between words and names (pure).

What is outside of backticks is still treated as a stranger's text by every renderer.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ci_core.reports.document import LONGEST_NAME, Code
from ci_core.reports.text import fair_share, shorten

_Words: TypeAlias = tuple[str | Code, ...]

_JOINT: Final = "; "
"""Parts the reasons of a gate, each of which a reader must see."""
_MORE: Final = " …"
_SHORT_NAME: Final = 60
_LEAST_PART: Final = 30
"""Fewer characters of a reason say nothing."""


def prose(text: str, most: int | None = None) -> _Words:
    """Return a sentence with its ```names``` in backticks as code: the one bit of markup our sentences have.

    A backtick without a partner stays a character.

    Args:
        text: the sentence.
        most: characters that are shown; None for all. In a longer sentence long names are shortened first; then each
            of its parts, which semicolons separate, is ended by ``…`` so that something of every part is seen.
    """
    words = _words(text, LONGEST_NAME)
    if most is None or _length(words) <= most:
        return words
    words = _words(text, _SHORT_NAME)
    parts = _parts(words)
    share = fair_share(list(map(_length, parts)), most - len(_JOINT) * (len(parts) - 1))
    if share < _LEAST_PART:
        return _cut(words, most)
    shown: _Words = ()
    for part in parts:
        shown += (*((_JOINT,) if shown else ()), *_cut(part, share))
    return shown


def _words(text: str, longest_name: int) -> _Words:
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        pieces[-2:] = ["`".join(pieces[-2:])]
    words = [Code(shorten(piece, longest_name)) if index % 2 else piece for index, piece in enumerate(pieces)]
    return tuple(piece for piece in words if piece not in {"", Code("")})


def _length(words: _Words) -> int:
    return sum(len(piece.text) if isinstance(piece, Code) else len(piece) for piece in words)


def _parts(words: _Words) -> list[_Words]:
    """Return what semicolons separate; those inside of names separate nothing."""
    parts: list[list[str | Code]] = [[]]
    for piece in words:
        first, *others = piece.split(_JOINT) if isinstance(piece, str) else [piece]
        parts[-1].append(first)
        parts += [[other] for other in others]
    return [tuple(piece for piece in part if piece != "") for part in parts]


def _cut(words: _Words, most: int) -> _Words:
    """Return as many whole words and names as fit, and a sign for the rest."""
    if _length(words) <= most:
        return words
    room, kept = most - len(_MORE), list[str | Code]()
    for piece in words:
        if _length((piece,)) > room:
            kept.append(_beginning(piece, room) if isinstance(piece, str) or not kept else "")
            whole = [one.rstrip(" ") if isinstance(one, str) else one for one in kept[-2:]]
            return (*kept[:-2], *(one for one in whole if one != ""), _MORE)
        kept.append(piece)
        room -= _length((piece,))
    raise AssertionError


def _beginning(piece: str | Code, room: int) -> str | Code:
    if isinstance(piece, Code):
        return Code(shorten(piece.text, room))
    end = piece.rfind(" ", 0, room + 1)
    return piece[: end if end > room // 2 else room]  # a word that is longer than half of the room is broken
