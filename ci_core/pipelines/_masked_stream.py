"""Mask secrets in the bytes that a program prints, which come in pieces (pure).

What may be a part of a secret waits for the next piece: the last word of a line that has no end yet, and the lines that
end in the middle of a known value. All else is passed on at once and, but for secrets, byte for byte.
"""

from __future__ import annotations

import codecs
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ci_core.masking import MASK, joined
from ci_core.secret_shapes import begun_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.masking import Masker, Span

_BEFORE: Final = 16
"""Characters of the lines before that are looked at again, in which a secret that goes on may begin."""
_MOST: Final = 16_384
"""Characters that wait, or are looked at again; a longer secret is not found."""
_LINE: Final = re.compile(r"[^\r\n]*[^\s][^\r\n]*")


class MaskedStream:
    """The bytes of one program without secrets.

    Args:
        masker: knows them.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._passed = 0
        """Characters of `_text` that were passed on; they are kept because a secret may have begun in them."""
        self._spans: Sequence[Span] = ()

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on."""
        return self._pass_on(self._decode(piece), is_over=False)

    def end(self) -> bytes:
        """Return what is left when no more comes."""
        return self._pass_on(self._decode(b"", final=True), is_over=True)

    @property
    def unfinished(self) -> str:
        """What the line shows that has no end yet, as far as it is no secret; empty at the start of one."""
        text, end = self._text, len(self._text)
        begun = [place for place in (self._masker.begun(text), begun_shape(text, end)) if place is not None]
        spans = joined([*self._spans, *((place, end) for place in begun)])
        return _encoded(_between(text, spans, _line_start(text), end)).decode("utf-8", "replace")

    def _pass_on(self, piece: str, *, is_over: bool) -> bytes:
        self._text += piece
        self._spans = self._masker.spans(self._text)
        end = len(self._text) if is_over else max(self._passed, self._sure())
        passed = _between(self._text, self._spans, self._passed, end)
        self._forget(end)
        return _encoded(passed)

    def _sure(self) -> int:
        """Return up to where no later piece changes what is a secret."""
        text = self._text
        begun = self._masker.begun(text)
        end = min(_word_start(text), len(text) if begun is None else begun)
        end = max(end, len(text) - _MOST)
        crossing = next((one for one in self._spans if one[0] < end < one[1]), None)
        return end if crossing is None else crossing[0]

    def _forget(self, end: int) -> None:
        """Keep of what was passed on the line that goes on, the end of those before, and a secret without an end."""
        text = self._text
        start = max(0, _line_start(text) - _BEFORE)
        if self._spans and self._spans[-1][1] == len(text):
            start = min(start, self._spans[-1][0])
        start = min(end, max(start, end - _MOST))
        self._text, self._passed = text[start:], end - start
        self._spans = [(max(0, one - start), other - start) for one, other in self._spans if other > start]


def _line_start(text: str) -> int:
    return max(text.rfind("\n"), text.rfind("\r")) + 1


def _word_start(text: str) -> int:
    """Return where the last word begins; the end of the text when that is a blank."""
    if text[-1:].isspace():
        return len(text)
    return max(map(text.rfind, " \t\r\n")) + 1


def _between(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    """Return `text` from `start` to `end` with what lies in spans masked, line by line: lines stay lines."""
    inside = [(max(one, start), min(other, end)) for one, other in spans if one < end and other > start]
    edges = [start, *(edge for span in inside for edge in span), end]
    pieces = [text[one:other] for one, other in pairwise(edges)]
    pieces[1::2] = [_LINE.sub(MASK, piece) for piece in pieces[1::2]]
    return "".join(pieces)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
