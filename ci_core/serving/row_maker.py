"""Make rows of values in an order, quickly: a request of the inference protocol becomes hundreds of dicts.

A dict that is written out takes half of the time of ``dict(zip(…))``, which is most of what reading a hundred rows
costs. So the widths that tables usually have are written out, one function each: small letters are names, capitals
their values. From some twenty columns on there is little between the two.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ci_core.serving.base import Row

    Names = Sequence[str]
    Values = Iterable[Sequence[Any]]


def make_rows(names: Names, values: Values) -> list[Row]:
    """Return a dict a row.

    Args:
        names: of the columns.
        values: of each row, as many as there are names.

    Raises:
        ValueError: a row has more or fewer values.
    """
    n_columns = len(names)
    if n_columns <= _MOST_WRITTEN:
        return _WRITTEN[n_columns](names, values)
    return _of_any(names, values)


def _of_any(names: Names, rows: Values) -> list[Row]:
    if not isinstance(rows, zip):  # whose rows are equally long; a strict zip below would take half as long again
        rows = list(rows)
        if not {len(names)}.issuperset(map(len, rows)):
            raise ValueError(f"expected {len(names)} values to unpack in every row")
    return list(map(dict, map(zip, repeat(names), rows)))


# what belongs together stays on a line
# fmt: off

def _of_1(names: Names, rows: Values) -> list[Row]:
    a, = names
    return [{a: A} for A, in rows]


def _of_2(names: Names, rows: Values) -> list[Row]:
    a, b = names
    return [{a: A, b: B} for A, B in rows]


def _of_3(names: Names, rows: Values) -> list[Row]:
    a, b, c = names
    return [{a: A, b: B, c: C} for A, B, C in rows]


def _of_4(names: Names, rows: Values) -> list[Row]:
    a, b, c, d = names
    return [{a: A, b: B, c: C, d: D} for A, B, C, D in rows]


def _of_5(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e = names
    return [{a: A, b: B, c: C, d: D, e: E} for A, B, C, D, E in rows]


def _of_6(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f = names
    return [{a: A, b: B, c: C, d: D, e: E, f: F} for A, B, C, D, E, F in rows]


def _of_7(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g = names
    return [{a: A, b: B, c: C, d: D, e: E, f: F, g: G} for A, B, C, D, E, F, G in rows]


def _of_8(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h = names
    return [{a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H} for A, B, C, D, E, F, G, H in rows]


def _of_9(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j = names
    return [{a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J} for A, B, C, D, E, F, G, H, J in rows]


def _of_10(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k = names
    return [{a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K} for A, B, C, D, E, F, G, H, J, K in rows]


def _of_11(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M}
        for A, B, C, D, E, F, G, H, J, K, M in rows
    ]


def _of_12(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N}
        for A, B, C, D, E, F, G, H, J, K, M, N in rows
    ]


def _of_13(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P}
        for A, B, C, D, E, F, G, H, J, K, M, N, P in rows
    ]


def _of_14(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q in rows
    ]


def _of_15(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R in rows
    ]


def _of_16(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R, s: S}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R, S in rows
    ]


def _of_17(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R, s: S, t: T}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R, S, T in rows
    ]


def _of_18(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t, u = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R, s: S, t: T, u: U}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R, S, T, U in rows
    ]


def _of_19(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t, u, v = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R, s: S, t: T, u: U, v: V}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R, S, T, U, V in rows
    ]


def _of_20(names: Names, rows: Values) -> list[Row]:
    a, b, c, d, e, f, g, h, j, k, m, n, p, q, r, s, t, u, v, w = names
    return [
        {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, j: J, k: K,
         m: M, n: N, p: P, q: Q, r: R, s: S, t: T, u: U, v: V, w: W}
        for A, B, C, D, E, F, G, H, J, K, M, N, P, Q, R, S, T, U, V, W in rows
    ]


# fmt: on
_WRITTEN: tuple[Callable[[Names, Values], list[Row]], ...] = (
    _of_any,
    *(_of_1, _of_2, _of_3, _of_4, _of_5, _of_6, _of_7, _of_8, _of_9, _of_10),
    *(_of_11, _of_12, _of_13, _of_14, _of_15, _of_16, _of_17, _of_18, _of_19, _of_20),
)
"""Number of columns → what makes its rows."""

_MOST_WRITTEN = len(_WRITTEN) - 1
