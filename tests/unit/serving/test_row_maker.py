from __future__ import annotations

import pytest

from ci_core.serving.row_maker import make_rows


@pytest.mark.parametrize("n_columns", range(40))
def test_each_row_has_the_names_in_order_with_its_values(n_columns: int) -> None:
    names = tuple(f"column {index}" for index in range(n_columns))

    rows = make_rows(names, [range(n_columns), ["x"] * n_columns])

    assert [list(row.items()) for row in rows] == [
        [(f"column {index}", index) for index in range(n_columns)],
        [(f"column {index}", "x") for index in range(n_columns)],
    ]


@pytest.mark.parametrize("n_columns", [1, 2, 20, 21])
def test_rows_that_a_zip_makes_are_rows_like_any_other(n_columns: int) -> None:
    names = [str(index) for index in range(n_columns)]

    rows = make_rows(names, zip(*[["x", None]] * n_columns, strict=True))

    assert rows == [dict.fromkeys(names, "x"), dict.fromkeys(names)]


@pytest.mark.parametrize("n_columns", [1, 2, 20, 21])
@pytest.mark.parametrize("wrong_by", [-1, 1])
def test_a_row_with_more_or_fewer_values_is_an_error(n_columns: int, wrong_by: int) -> None:
    right, wrong = [0] * n_columns, [0] * (n_columns + wrong_by)

    with pytest.raises(ValueError, match=r"values to unpack"):
        make_rows([str(index) for index in range(n_columns)], [right, wrong])


def test_any_text_may_be_a_name() -> None:
    assert make_rows(["v0", "'", "import os"], [(1, 2, 3)]) == [{"v0": 1, "'": 2, "import os": 3}]
