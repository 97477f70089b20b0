"""Compressed request bodies: gzip and deflate, never larger than the limit."""

from __future__ import annotations

import zlib

from ci_core.serving.problems import BodyTooLargeError, RequestError, UnsupportedMediaTypeError

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How ``zlib`` calls the two formats; deflate is the zlib format, RFC 9110 section 8.4.1.2."""

_MEMBERS = 16
"""Pieces that a gzip body may be made of; nobody sends more than one, and a million empty ones would take minutes."""


def inflate(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Return the body that was sent compressed.

    Args:
        body: as sent.
        encoding: the header ``content-encoding``.
        limit_bytes: of what comes out; not one byte more is inflated.

    Raises:
        UnsupportedMediaTypeError: it is another encoding, or several.
        BodyTooLargeError: it is larger than the limit.
        RequestError: the body is not what the header says.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in _WINDOW:
        raise UnsupportedMediaTypeError(encoding, expected="a body encoded with gzip or deflate, or not at all")
    parts: list[bytes] = []
    n_left = limit_bytes
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(_WINDOW[name])
        try:
            part = stream.decompress(body, n_left + 1)
        except zlib.error as error:
            raise RequestError(f"the body is not {name}: {error}") from error
        n_left -= len(part)
        if n_left < 0:
            raise BodyTooLargeError(limit_bytes)
        if not stream.eof:
            raise RequestError(f"the body is not {name}: it ends too early")
        parts.append(part)
        body = stream.unused_data
        if not body:
            return b"".join(parts)
    raise RequestError(f"the body is not {name}: it is in more than {_MEMBERS} pieces")
