from __future__ import annotations

import math

import pytest

from ci_core.config.amounts import Regression, parse_regression, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50MB", 50_000_000),
        ("50 MiB", 52_428_800),
        ("1.5GB", 1_500_000_000),
        ("20 kB", 20_000),
        ("20KB", 20_000),
        ("7 B", 7),
        ("1 TiB", 1_099_511_627_776),
    ],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", [50, "50", "50M", "MB", "-1MB", "5  MB", "5MBB", "1e3 MB", "٣MB", None, "", " 5MB"])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as `50MB`"):
        parse_size(value)


@pytest.mark.parametrize(
    ("value", "share"), [("5%", 0.05), ("0%", 0), ("150%", 1.5), ("2.5%", 0.025), ("2.5 %", 0.025), (0.2, 0.2), (1, 1)]
)
def test_a_share_is_a_percentage_or_a_number_up_to_one(value: object, share: float) -> None:
    assert parse_share(value) == pytest.approx(share, abs=0)


@pytest.mark.parametrize("value", [5, -0.1, "5", "5  %", "-5%", "%", True, None, math.nan, math.inf, [1], 10**400])
def test_what_is_no_share_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a percentage such as `5%`"):
        parse_share(value)


def test_a_regression_is_in_the_metrics_unit_or_a_share_of_its_value() -> None:
    assert parse_regression(0.01) == Regression(0.01, is_share=False)
    assert parse_regression(0) == Regression(0.0, is_share=False)
    assert parse_regression(20) == Regression(20.0, is_share=False)
    assert parse_regression("2%") == Regression(0.02, is_share=True)
    assert parse_regression("2 %") == Regression(0.02, is_share=True)


@pytest.mark.parametrize("value", [-1, "2  %", "two", True, math.nan, math.inf, {}, 10**400])
def test_what_is_no_regression_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="or a percentage of the base's value"):
        parse_regression(value)
