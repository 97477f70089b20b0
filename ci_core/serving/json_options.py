"""How results are written as JSON: the same way by what writes them and by what says why one cannot be written."""

from __future__ import annotations

from typing import Final

import orjson

JSON_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
