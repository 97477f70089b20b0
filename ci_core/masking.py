"""Mask secrets in text: what is said in a log, an error, a report.

Two nets: the *values* the caller knows to be secret, in the spellings they may turn up in (plain, URL-quoted, JSON- and
HTML-escaped, base64, broken over lines), and the *shapes* of well-known tokens.
"""

from __future__ import annotations

import base64
import html
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from ci_core.secret_shapes import SHAPES, may_hold_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MASK = "***"
_SHORTEST_VALUE = 6
"""A shorter value would mask ordinary words, and a mask in every line tells more than it hides."""
_SHORTEST_SPLIT = 12
"""Only values of this length are looked for across line breaks; a shorter one is found by chance."""
_NEIGHBOURS = "\n"
"""Stands between texts that are looked at together; a value that is broken there is found as over two lines."""
_SHORTEST_BASE64 = 8
"""Characters of base64 that must be left when the neighbours' bits are cut off both ends."""


_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASS|PASSPHRASE|PAT|CREDENTIALS?|(?:API|ACCESS|PRIVATE|ACCOUNT|SECRET)_?KEY|"
    r"SAS|DSN|CONNECTION_STRING)(?:$|_)",
    re.IGNORECASE,
)
_NAME_ABOUT_ONE: Final = re.compile(r"_(?:FILE|PATH|DIR|URL|NAME|ID|TTL|TYPE|EXPIRES?)$", re.IGNORECASE)
"""Endings of names that tell where a secret is, or about it, and do not hold it."""


def secret_values(env: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of `env` whose variables are named like a secret: ``GITHUB_TOKEN``, ``AWS_SECRET_ACCESS_KEY``.

    >>> list(secret_values({"GITHUB_TOKEN": "ghs_abcdef", "PATH": "/usr/bin", "TOKEN_FILE": "/run/token"}))
    ['ghs_abcdef']
    """
    for name, value in env.items():
        if _SECRET_NAME.search(name) and not _NAME_ABOUT_ONE.search(name) and len(value) >= _SHORTEST_VALUE:
            yield value


class Masker:
    """Replaces secrets in text by ``***``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the values known to be secret; those shorter than six characters are ignored."""
        self._values = tuple(secrets)

    @cached_property
    def _known(self) -> re.Pattern[str] | None:
        spellings = {spelling for value in self._values for part in _parts(value) for spelling in _spellings(part)}
        longest_first = sorted(spellings, key=lambda text: (-len(text), text))
        return re.compile("|".join(map(_pattern, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return `text` with every known value and every token shape masked."""
        masked = text if self._known is None else self._known.sub(MASK, text)
        masked = SHAPES.sub(MASK, masked) if may_hold_one(masked) else masked
        return text if masked == text else masked

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Return texts that stand side by side, masked; a known value may begin in one and go on in the next."""
        whole = _NEIGHBOURS.join(texts)
        spans = [found.span() for found in self._known.finditer(whole)] if self._known is not None else []
        masked = list(_without(whole, spans, texts)) if spans else list(texts)
        if not may_hold_one(whole):
            return masked
        return [SHAPES.sub(MASK, text) if may_hold_one(text) else text for text in masked]


SHAPES_ONLY = Masker()
"""Masks what looks like a token; knows no values."""


def _without(whole: str, spans: Sequence[tuple[int, int]], texts: Iterable[str]) -> Iterator[str]:
    """Yield each of `texts`, of which `whole` is made, with what lies in one of the spans masked."""
    begin = index = 0
    for text in texts:
        end = begin + len(text)
        pieces, at = [], begin
        while index < len(spans) and spans[index][0] < end:
            start, stop = max(spans[index][0], begin), min(spans[index][1], end)
            if stop > start:
                pieces += [whole[at:start], MASK]
                at = stop
            if spans[index][1] > end:
                break  # it goes on in the next text
            index += 1
        yield "".join([*pieces, whole[at:end]])
        begin = end + len(_NEIGHBOURS)


def _parts(secret: str) -> Iterator[str]:
    """Yield the secret, its lines, and the texts inside it when it is JSON: a log shows any of them alone."""
    yield secret
    yield from secret.splitlines()
    try:
        yield from _leaves(json.loads(secret))
    except (ValueError, RecursionError):
        return


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


def _spellings(value: str) -> Iterator[str]:
    value = value.strip()
    if len(value) < _SHORTEST_VALUE:
        return
    yield from (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], html.escape(value))
    yield from _base64(value.encode("utf-8", "surrogateescape"))


def _base64(raw: bytes) -> Iterator[str]:
    """Yield the base64 characters that `raw` alone decides, at each of the three places it can start in a triple."""
    for offset in range(3):
        padded = b"\0" * offset + raw
        start = (0, 2, 3)[offset]
        end = (None, -3, -2)[len(padded) % 3]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(padded).decode()[start:end]
            if len(core) >= _SHORTEST_BASE64:
                yield core


def _pattern(spelling: str) -> str:
    if len(spelling) < _SHORTEST_SPLIT:
        return re.escape(spelling)
    # Blanks of the value are left to the pattern between: two of them in a row would try every way to share a gap.
    return r"\s*".join(re.escape(character) for character in spelling if not character.isspace())
