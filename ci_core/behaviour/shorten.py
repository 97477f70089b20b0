"""Make a value short enough to be shown in a report, so that it stays what it is (pure).

Secrets are masked first: of what is cut afterwards, nobody could tell that it was one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from ci_core.masking import CUT

if TYPE_CHECKING:
    from ci_core.masking import Masker
    from ci_core.types import JsonValue

MOST_CHARACTERS: Final = 2_000
"""Of a request or an answer in a report, as JSON."""
_TEXT, _ITEMS = 200, 20


def is_short(value: JsonValue) -> bool:
    """Whether a value can be shown as it is."""
    return len(_as_json(value)) <= MOST_CHARACTERS


def shortened(value: JsonValue, masker: Masker) -> JsonValue:
    """Return `value` without secrets, or its beginning when it takes more than :data:`MOST_CHARACTERS` as JSON.

    Long texts are cut, and lists and objects end with how many items more there are. What is still too long, because
    it is nested, becomes text. Halves of surrogate pairs, which JSON can hold and no report can, become ``?``.
    """
    value = _encodable(cast("JsonValue", masker.value(value)))
    if is_short(value):
        return value
    cut = _cut(value)
    text = _as_json(cut)
    return cut if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + CUT


def _encodable(value: JsonValue) -> JsonValue:
    text = _as_json(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        found: JsonValue = json.loads(text.encode(errors="replace"))
        return found
    return value


def _cut(value: JsonValue, levels: int = 8) -> JsonValue:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else value[:_TEXT] + CUT
    if levels == 0:
        return CUT
    if isinstance(value, Mapping):
        short: dict[str, JsonValue] = {key: _cut(value[key], levels - 1) for key in list(value)[:_ITEMS]}
        return short | ({CUT: f"{len(value) - _ITEMS} more"} if len(value) > _ITEMS else {})
    if isinstance(value, Sequence):
        more = [f"{CUT} {len(value) - _ITEMS} more"] if len(value) > _ITEMS else []
        return [*(_cut(item, levels - 1) for item in value[:_ITEMS]), *more]
    return value


def _as_json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
