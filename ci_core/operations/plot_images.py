"""Pictures that a project declares as plots, as far as a page may show them (pure).

A page shows PNG, JPEG, GIF and WebP, told by their first bytes and not by their names. SVG files are programs: scripts
and foreign addresses can be inside, so they are named and not shown.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Literal

from ci_core.reports import report as shown

if TYPE_CHECKING:
    from ci_core.versioning.plots import PlotSource

LARGEST_IMAGE_BYTES = 150_000
"""Of one picture."""
LARGEST_IMAGES_BYTES = 450_000
"""Of all pictures of a report: in base64 they take 600 kB of the megabyte that a page may have."""

MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]


class ImageRoom:
    """How many bytes of pictures a report has left."""

    def __init__(self, size_bytes: int = LARGEST_IMAGES_BYTES) -> None:
        self._left = size_bytes

    def take(self, content: bytes) -> bool:
        """Return whether a picture still fits, and count it when it does."""
        fits = len(content) <= min(self._left, LARGEST_IMAGE_BYTES)
        self._left -= len(content) if fits else 0
        return fits


def media_type(content: bytes) -> MediaType | None:
    """Return what a file is by its first bytes; None for all that is not shown."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return None


def images(
    base: list[PlotSource], head: list[PlotSource], room: ImageRoom
) -> tuple[tuple[shown.Image, ...], tuple[str, ...]]:
    """Return the pictures of both sides, and a sentence for each that is not shown."""
    pictures: list[shown.Image] = []
    notes: dict[str, None] = {}
    new = {source.path: source.image for source in head}
    sides: tuple[tuple[shown.Side, list[PlotSource]], ...] = (("head", head), ("base", base))
    for side, sources in sides:
        for source in sources:
            content = source.image or b""
            kind = media_type(content)
            is_repeated = side == "base" and new.get(source.path) == content
            is_shown = kind is not None and not is_repeated and room.take(content)
            if not is_shown and not is_repeated:
                notes[f"{side}: `{source.path}` is not shown: {_why(kind, content)}"] = None
            pictures.append(
                shown.Image(
                    side=side,
                    path=source.path,
                    media_type=kind,
                    digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
                    size_bytes=len(content),
                    data=base64.b64encode(content).decode() if is_shown else "",
                )
            )
    return tuple(sorted(pictures, key=lambda picture: picture.side)), tuple(notes)


def _why(kind: MediaType | None, content: bytes) -> str:
    if not content:
        return "it is empty"
    if kind is None:
        is_svg = b"<svg" in content[:2_000].lower()
        return "SVG files can hold scripts" if is_svg else "it is not PNG, JPEG, GIF or WebP"
    if len(content) > LARGEST_IMAGE_BYTES:
        return f"it is larger than {LARGEST_IMAGE_BYTES // 1000} kB"
    return f"the pictures before it took the {LARGEST_IMAGES_BYTES // 1000} kB that a report has"
