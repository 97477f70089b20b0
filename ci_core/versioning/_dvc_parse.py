"""Bound what files of a project may cost, and read the lock files of DVC 1, while DVC parses them.

DVC has no hook for this: its two parsers of YAML and JSON are replaced by ones that call them, in this process only.
What YAML files hold is kept, too, since DVC parses the same text for each question it is asked.

Refused, as a file that DVC cannot read, are: nesting deeper than :data:`MAX_DEPTH` (else the interpreter's stack ends
somewhere in DVC), YAML aliases that stand for more than :data:`MAX_ALIASED` values (a kilobyte of them can stand for
gigabytes once DVC copies them), and the pointers that Git LFS leaves where it did not put the file itself.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Parser = Callable[..., Any]

MAX_DEPTH: Final = 100
"""Levels of mappings and lists."""
MAX_ALIASED: Final = 1_000_000
"""Values that the aliases of one YAML file may stand for, together."""
_MAX_KEPT: Final = 1_000_000
"""Characters of a YAML file whose content is kept for the next time it is read."""
_MAX_KEPT_TOGETHER: Final = 16_000_000
"""Characters of all of them."""
_BESIDES: Final = 1_000
"""What a file counts beside its characters; so some 14,000 files that ``dvc add`` writes are kept."""
_LOCK: Final = "dvc.lock"
_SCHEMA: Final = "2.0"
LFS_POINTER: Final = "version https://git-lfs.github.com/spec/"

_old_locks: contextvars.ContextVar[bool] = contextvars.ContextVar("old_locks", default=False)


class _RefusedError(Exception):
    """A file is refused; the message completes "it …"."""


def bound_parsers() -> None:
    """Put the bounds into DVC; doing it again changes nothing."""
    from dvc.utils import serialize, strictyaml
    from dvc.utils.serialize import _json, _yaml

    if getattr(serialize.parse_yaml, "is_bounded", False):
        return
    parse_yaml, parse_json = _bounded(_yaml.parse_yaml, is_yaml=True), _bounded(_json.parse_json, is_yaml=False)
    for module in (_yaml, serialize, strictyaml):
        module.parse_yaml = parse_yaml
    for module in (_json, serialize):
        module.parse_json = parse_json
    serialize.PARSERS[".json"] = parse_json


@contextlib.contextmanager
def old_locks_understood() -> Iterator[None]:
    """Read ``dvc.lock`` of DVC 1, too; only for reading, since DVC would write a file of both forms."""
    token = _old_locks.set(True)
    try:
        yield
    finally:
        _old_locks.reset(token)


def _bounded(parse: Parser, *, is_yaml: bool) -> Parser:
    from dvc.utils.serialize import ParseError

    parse = _once(parse) if is_yaml else parse

    def parse_bounded(text: str | bytes, path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(text, str) and text.startswith(LFS_POINTER):
            raise ParseError(path, "only the pointer of Git LFS is there, not the file")
        try:
            data = parse(text, path, *arguments, **options)
            if is_yaml or len(text) > MAX_DEPTH:
                check(data)
            return _lock(data) if is_yaml and posixpath.basename(str(path)) == _LOCK else data
        except _RefusedError as error:
            raise ParseError(path, str(error)) from None
        except RecursionError:
            raise ParseError(path, f"it nests deeper than {MAX_DEPTH} levels") from None

    parse_bounded.is_bounded = True  # type: ignore[attr-defined] # a mark for ourselves
    return parse_bounded


def _once(parse: Parser) -> Parser:
    """Return a parser that copies what the same text gave the last time, which costs a tenth of parsing it."""
    known: dict[str, Any] = {}
    kept = 0

    def parse_once(text: str | bytes, path: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal kept
        if not isinstance(text, str) or len(text) > _MAX_KEPT or arguments or options not in ({}, {"typ": "safe"}):
            return parse(text, path, *arguments, **options)
        if text not in known:
            data = parse(text, path, **options)
            check(data)  # before it is copied
            kept += len(text) + _BESIDES
            if kept > _MAX_KEPT_TOGETHER:
                known.clear()
                kept = len(text) + _BESIDES
            known[text] = data
        return copy.deepcopy(known[text])

    return parse_once


def _lock(data: Any) -> Any:
    """Return the content of a ``dvc.lock`` in the form of DVC 2 and 3."""
    if not isinstance(data, Mapping):
        return data
    if "schema" in data and data["schema"] != _SCHEMA:
        raise _RefusedError(
            f"its schema is `{data['schema']}`, and this version of DVC knows `{_SCHEMA}`: a newer one wrote it"
        )
    if not _is_of_dvc_1(data):
        return data
    if not _old_locks.get():
        raise _RefusedError(f"DVC 1 wrote it: put `schema: '{_SCHEMA}'` first, and its stages under `stages:`")
    return {"schema": _SCHEMA, "stages": data}


def check(data: object) -> None:
    """Refuse what is nested too deeply, or grows too large once every alias is written out.

    Each object is looked at once, however often it is referred to.
    """
    known: dict[int, tuple[int, int]] = {}

    def measure(value: object, depth: int) -> tuple[int, int]:
        """Return values and levels."""
        if not isinstance(value, Mapping | list):
            return 1, 0
        if id(value) not in known:
            if depth > MAX_DEPTH:
                raise _RefusedError(f"it nests deeper than {MAX_DEPTH} levels")
            values, levels = 1, 0
            for inner in value.values() if isinstance(value, Mapping) else value:
                more, height = measure(inner, depth + 1)
                values, levels = values + more, max(levels, height + 1)
            known[id(value)] = values, levels
        if depth + known[id(value)][1] > MAX_DEPTH:
            raise _RefusedError(f"it nests deeper than {MAX_DEPTH} levels")
        return known[id(value)]

    values, _ = measure(data, 0)
    own = sum(len(value) for value in _containers(data))
    if values - own > MAX_ALIASED:
        raise _RefusedError(f"its aliases stand for more than {MAX_ALIASED:,} values")


def _containers(data: object) -> Iterator[Mapping[object, object] | list[object]]:
    """Yield each mapping and list once."""
    seen, waiting = set(), [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping | list) and id(value) not in seen:
            seen.add(id(value))
            yield value
            waiting.extend(value.values() if isinstance(value, Mapping) else value)


def _is_of_dvc_1(lock: Mapping[Any, Any]) -> bool:
    """Whether the top level of a lock file are stages."""
    is_bare = bool(lock) and "schema" not in lock
    return is_bare and all(isinstance(stage, Mapping) and "cmd" in stage for stage in lock.values())
