"""The requests that both graphs are asked: recorded ones, else rows of the reference table.

What is recorded is better: it is what clients send. A project that records nothing, but has a reference table for its
monitoring, is asked rows of that.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ci_core.deploy.smoke import SmokeRequest, read_smoke_requests
from ci_core.errors import GraphshipError, MissingExtraError, UnreadableTableError
from ci_core.serving.identity import ID_HEADER, SMOKE_HEADER, TIME_HEADER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from ci_core.config.settings import MonitorSettings
    from ci_core.types import JsonValue

RECORDED: Final = "serving/requests.jsonl"
"""Looked at in a project that names no ``smoke`` file."""
MOST_RECORDED: Final = 1_000
"""Of a longer file, the first ones are sent."""
SAMPLED: Final = 200
"""Rows of the reference: one changed answer in a hundred is then seen with 87 %."""
_SEED: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What is sent, and where it comes from."""

    source: str
    """``serving/requests.jsonl``, or ``200 rows of data/train.parquet``."""
    requests: tuple[SmokeRequest, ...] = ()
    problem: str | None = None
    """Why there are none, or not those of both sides."""
    added: int = 0
    """Of `requests` the last ones, which only the change asks."""
    notes: tuple[str, ...] = ()
    """How those of the change differ from the base's."""


def together(base: Requests | None, head: Requests | None) -> Requests:
    """Return what is asked when a change is judged: all requests of the base, then those that only the change has.

    A change must not choose what it is judged by: what it takes away is asked all the same, and what it adds is told
    apart. Where the base has no requests, those of the change are all there is.

    Args:
        base: of the base; None when it has none.
        head: of the change; None when it has none.
    """
    problem = "; ".join(
        f"{name}: {side.problem}"
        for name, side in (("base", base), ("head", head))
        if side is not None and side.problem is not None
    )
    if base is None or not base.requests:
        found = head or base or Requests(source="")
        return replace(found, problem=problem or None)
    known = {_identity(one) for one in base.requests}
    own = {_identity(one): one for one in (head.requests if head is not None else ())}
    added = tuple(one for identity, one in own.items() if identity not in known)
    gone = sum(_identity(one) not in own for one in base.requests)
    is_other = bool(added) and head is not None and head.source != base.source
    return Requests(
        source=f"{base.source} of the base and {head.source}" if is_other and head is not None else base.source,
        requests=(*base.requests, *added),
        problem=problem or None,
        added=len(added),
        notes=(*_told_gone(gone, len(base.requests)), *_told_added(len(added))),
    )


def _identity(request: SmokeRequest) -> str:
    """Return what two requests have in common when they are the same; the status expected is none of it."""
    headers = sorted((name.lower(), value) for name, value in request.headers.items())
    return json.dumps([request.method.upper(), request.path, headers, request.body], sort_keys=True)


def _told_gone(gone: int, count: int) -> Iterator[str]:
    if gone:
        which = "the only" if count == 1 else f"all {count:,}" if gone == count else f"{gone:,} of {count:,}"
        noun, was = ("request", "it was") if count == 1 else ("requests", "they were" if gone > 1 else "it was")
        yield f"the change takes {which} {noun} of the base away: {was} asked all the same"


def _told_added(added: int) -> Iterator[str]:
    if added:
        yield f"the change adds {added:,} {'request, which does' if added == 1 else 'requests, which do'} not count"


def recorded(root: Path, file: str) -> Requests:
    """Return the requests of a file: each line is one, see ``deploy/smoke.py``."""
    try:
        found = read_smoke_requests(root, file)
    except GraphshipError as error:
        place = f" ({', '.join(error.where)})" if error.where else ""
        return Requests(source=file, problem=f"the recorded requests cannot be sent: {error.fact}{place}")
    source = file if len(found) <= MOST_RECORDED else f"the first {MOST_RECORDED:,} of {file}"
    return Requests(source=source, requests=tuple(SmokeRequest.from_json(one) for one in found[:MOST_RECORDED]))


def sampled(table: Path, monitor: MonitorSettings, columns: Collection[str] | None) -> Requests:
    """Return rows of the reference table as requests; the same table always gives the same rows.

    Args:
        table: the file.
        monitor: names the table, and the columns that are no inputs.
        columns: what the graphs take, when known; else all columns but the target, the time and those that monitoring
            ignores. Columns that the table lacks are left out: a graph that needs one says so.
    """
    name = monitor.reference
    try:
        from ci_core.monitoring.duckdb import open_table
    except ImportError:
        told = MissingExtraError(extra="monitor", module="duckdb")
        return Requests(source=name, problem=f"no rows of `{name}` can be read: {told.fact} ({told.hint})")
    left_out = {monitor.target, monitor.time_column, monitor.labels.key if monitor.labels else None, *monitor.ignore}
    try:
        with open_table(table) as opened:
            chosen = [
                column
                for column in opened.columns
                if (column not in left_out if columns is None else column in columns)
            ]
            if not chosen:
                return Requests(source=name, problem=f"`{name}` has none of the columns that the graph takes")
            rows = _sample(opened, chosen)
    except UnreadableTableError as error:
        return Requests(source=name, problem=f"no rows of `{name}` can be read: {error.reason}")
    if not rows:
        return Requests(source=name, problem=f"`{name}` has no rows")
    requests = tuple(SmokeRequest(body=dict(zip(chosen, map(_plain, row), strict=True))) for row in rows)
    return Requests(source=f"{len(requests):,} rows of {name}", requests=requests)


def _sample(table: Any, columns: Sequence[str]) -> list[Any]:
    from ci_core.monitoring.duckdb import DIALECT

    names = ", ".join(DIALECT.name(column) for column in columns)
    table.query("SET threads = 1")  # the sample then depends on the seed and the order of rows only
    sample = f"(SELECT * FROM {table.relation} USING SAMPLE reservoir({SAMPLED} ROWS) REPEATABLE ({_SEED}))"  # noqa: S608 - quoted by the dialect
    found: list[Any] = table.query(f"SELECT {names} FROM {sample}")  # noqa: S608
    return found


def _plain(value: Any) -> JsonValue:
    """Return a value of the table as a client would send it: NaN as null, a time as ISO 8601."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | time):  # and so a datetime
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def shown(request: SmokeRequest) -> JsonValue:
    """Return a request as a report shows it."""
    if (request.method, request.path) == ("POST", "/"):
        return request.body
    return {"method": request.method, "path": request.path, "body": request.body}


def to_send(number: int, request: SmokeRequest, *, happened: str | None) -> dict[str, JsonValue]:
    """Return a request as the process that answers it takes it.

    It says that it is a rehearsal, and has the same id, and the same time, on both sides.

    Args:
        number: of the request, from 0.
        request: to send.
        happened: when, ISO 8601; None where the body says so.
    """
    given: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
    fixed = {ID_HEADER: f"behaviour-{number:06}", **({TIME_HEADER: happened} if happened else {})}
    # as `deploy.smoke.replay` sends it, a null body is none
    body = None if request.body is None else json.dumps(request.body)
    headers = {"content-type": "application/json", **fixed, **given, SMOKE_HEADER: "1"}
    return {"method": request.method.upper(), "path": request.path.partition("?")[0], "headers": headers, "body": body}
