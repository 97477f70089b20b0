"""Cut what a program prints into lines, in bounded memory whatever it prints (pure).

A line that overwrites itself (a progress bar, a carriage return) counts with what it showed last. A line longer than
``LINE_BYTES`` is told by its beginning and the count of what follows: the whole of it is in the log file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES: Final = 4_000
"""Bytes of a line that are told: more than a terminal shows, less than a table printed on one line."""


class LineSplitter:
    """The lines of a stream of bytes that comes in pieces.

    Bytes that are no UTF-8 become replacement characters.
    """

    def __init__(self) -> None:
        self._shown = bytearray()
        self._left_out = 0
        self._is_at_start = False
        """Whether the next character overwrites the line."""

    @property
    def unfinished(self) -> str:
        """What the line shows that has no end yet; empty at the start of one."""
        text = self._shown.decode("utf-8", "replace")
        if not self._left_out:
            return text
        whole = text.rstrip("\ufffd")  # half a character at the cut
        return f"{whole}… ({self._left_out:,} bytes more)"

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that end in `piece`, without their ends; to be read to the end."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._show(part)
            yield self.unfinished
            self._clear()
        self._show(rest)

    def _show(self, part: bytes) -> None:
        for number, text in enumerate(part.split(b"\r")):
            self._is_at_start |= number > 0
            if text and self._is_at_start:
                self._clear()
            room = LINE_BYTES - len(self._shown)
            self._shown += text[:room]
            self._left_out += max(len(text) - room, 0)

    def _clear(self) -> None:
        self._shown.clear()
        self._left_out, self._is_at_start = 0, False
