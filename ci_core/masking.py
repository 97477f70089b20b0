"""Mask secrets in text: what is said in a log, an error, a report.

Two nets: the *values* the caller knows to be secret, in the spellings they may turn up in (plain, URL-quoted, JSON- and
HTML-escaped, base64, broken over lines), and the *shapes* of well-known tokens.

Text is masked before it is shortened where both happen here. What others shortened is looked at, too: the beginning of
a secret before ``…``, and the end of one after it.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import quote, quote_plus

from ci_core.secret_shapes import SHAPES, begun_shape, may_hold_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span: TypeAlias = "tuple[int, int]"

MASK = "***"
CUT: Final = "…"
"""Ends, or stands in the middle of, what was shortened."""
_SHORTEST_VALUE = 6
"""A shorter value would mask ordinary words, and a mask in every line tells more than it hides."""
_SHORTEST_SPLIT = 12
"""Only values of this length are looked for across line breaks; a shorter one is found by chance."""
_NEIGHBOURS = "\n"
"""Stands between texts that are looked at together; a value that is broken there is found as over two lines."""
_SHORTEST_BASE64 = 8
"""Characters of base64 that must be left when the neighbours' bits are cut off both ends."""
_SHORTEST_PART = 4
"""Characters of a value that are masked where it was cut; fewer tell nothing, and begin many words."""
_HEAD = 16
"""Characters of a value that are looked for first: nearly all text has none of them."""


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
    def _spelled(self) -> tuple[str, ...]:
        spellings = {spelling for value in self._values for part in _parts(value) for spelling in _spellings(part)}
        return tuple(sorted(spellings, key=lambda text: (-len(text), text)))

    @cached_property
    def _known(self) -> re.Pattern[str]:
        return re.compile("|".join(map(_pattern, self._spelled)))

    @cached_property
    def _heads(self) -> tuple[str, ...]:
        return tuple({_squeezed(spelling)[:_HEAD] for spelling in self._spelled})

    @cached_property
    def _beginnings(self) -> _Beginnings:
        return _Beginnings(map(_squeezed, self._spelled))

    @cached_property
    def _ends(self) -> _Beginnings:
        return _Beginnings(_squeezed(spelling)[::-1] for spelling in self._spelled)

    def text(self, text: str) -> str:
        """Return `text` with every known value and every token shape masked."""
        spans = self._known_spans(text)
        return _without_shapes(_masked(text, spans) if spans else text)

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Return texts that stand side by side, masked; a known value may begin in one and go on in the next."""
        whole = _NEIGHBOURS.join(texts)
        spans = self._known_spans(whole)
        masked = list(_without(whole, spans, texts)) if spans else list(texts)
        return [_without_shapes(text) for text in masked] if may_hold_one(whole) else masked

    def value(self, value: object) -> object:
        """Return what will be JSON with each secret in it masked: in texts, in names, and in numbers that hold one.

        All texts are looked at together, as those of a report are: a secret of several lines may lie in a list of them.
        """
        return _with_texts(value, iter(self.texts(list(_texts(value)))))

    def spans(self, text: str) -> list[Span]:
        """Return where the secrets in `text` stand, in order and apart: for text that comes in pieces."""
        shapes = [found.span() for found in SHAPES.finditer(text)] if may_hold_one(text) else []
        return joined([*self._known_spans(text), *shapes])

    def begun(self, text: str, end: int | None = None) -> int | None:
        """Return where a known value begins that `text` ends in the middle of; None when there is none.

        Args:
            text: goes on after its end.
            end: where it ends, when not with the text.
        """
        return self._beginnings.at_end(text, len(text) if end is None else end) if self._spelled else None

    def _known_spans(self, text: str) -> list[Span]:
        """Return where known values stand, in order and apart; of those that were cut, what is left of them."""
        if not self._spelled:
            return []
        whole: list[Span] = []
        squeezed = _squeezed(text)
        if any(map(squeezed.__contains__, self._heads)):  # many times as fast as the pattern
            whole = [found.span() for found in self._known.finditer(text)]
        return joined([*whole, *self._cut_spans(text)]) if CUT in text else whole

    def _cut_spans(self, text: str) -> Iterator[Span]:
        for place in _cuts(text):
            begin = self.begun(text, place)
            if begin is not None:
                yield begin, place
            rest = text[place + 1 : place + 1 + self._ends.room][::-1]
            begin = self._ends.at_end(rest, len(rest))
            if begin is not None:
                yield place + 1, place + 1 + len(rest) - begin


class _Beginnings:
    """Finds the beginning of one of several texts at the end of another; blanks do not count.

    Args:
        wholes: the texts, without blanks.
    """

    def __init__(self, wholes: Iterable[str]) -> None:
        self._wholes = sorted(set(wholes))
        self._heads = {whole[:_SHORTEST_PART] for whole in self._wholes}
        self._head = re.compile(f"(?={'|'.join(_broken(head) for head in sorted(self._heads))})")
        self.room = 2 * max(map(len, self._wholes), default=0)
        """Characters that are looked at: a value, broken over lines."""

    def at_end(self, text: str, end: int) -> int | None:
        """Return where the longest one begins that the first `end` characters of `text` end in the middle of."""
        begin = max(0, end - self.room)
        if not any(map(_squeezed(text[begin:end]).__contains__, self._heads)):
            return None
        for found in self._head.finditer(text, begin, end):
            rest = _squeezed(text[found.start() : end])
            place = bisect_left(self._wholes, rest)
            if place < len(self._wholes) and self._wholes[place].startswith(rest):
                return found.start()
        return None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _cuts(text: str) -> Iterator[int]:
    place = text.find(CUT)
    while place >= 0:
        yield place
        place = text.find(CUT, place + 1)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that overlap as one."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def _masked(text: str, spans: Sequence[Span]) -> str:
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return MASK.join(text[start:stop] for start, stop in list(pairwise(edges))[::2])


def _without_shapes(text: str) -> str:
    """Return `text` without what looks like a token; what was cut may look like the beginning of one."""
    if not may_hold_one(text):
        return text
    text = SHAPES.sub(MASK, text)
    if CUT not in text:
        return text
    begun = ((begun_shape(text, place), place) for place in _cuts(text))
    return _masked(text, [(start, place) for start, place in begun if start is not None])


SHAPES_ONLY = Masker()
"""Masks what looks like a token; knows no values."""


def _without(whole: str, spans: Sequence[Span], texts: Iterable[str]) -> Iterator[str]:
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
    raw = _encoded(value)
    yield from (value, quote(raw, safe=""), quote_plus(raw), html.escape(value))
    yield from (json.dumps(value, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    yield from _base64(raw)


def _encoded(value: str) -> bytes:
    try:
        return value.encode("utf-8", "surrogateescape")  # a variable may hold any bytes
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")  # and JSON halves of surrogate pairs


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
    return _broken(_squeezed(spelling))


def _broken(text: str) -> str:
    return r"\s*".join(map(re.escape, text))


def _texts(value: object) -> Iterator[str]:
    """Yield each text that JSON will show, in the order of :func:`_with_texts`."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif not isinstance(value, bool | None):
        yield str(value)


def _with_texts(value: object, texts: Iterator[str]) -> object:
    """Return the same with the next of `texts` in place of each, where it differs."""
    if isinstance(value, Mapping):
        whole: dict[object, object] = {}
        for name, item in value.items():
            text = next(texts)
            new = name if text == str(name) else text
            while new in whole:  # two names that differ in their secrets alone
                new = f"{new}*"
            whole[new] = _with_texts(item, texts)
        return whole
    if isinstance(value, list | tuple):
        return [_with_texts(item, texts) for item in value]
    if isinstance(value, bool | None):
        return value
    text = next(texts)
    return value if text == str(value) else text
