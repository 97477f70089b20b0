"""What the benchmarks of serving conclude from what they measured."""

from __future__ import annotations

import math

import pytest

from bench.serving.load import LoadError, _sample
from bench.serving.report import Report, ratio

WRK = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.31ms  605.63us  14.86ms   92.10%
    Req/Sec    13.92k     0.98k   15.20k    70.00%
  Latency Distribution
     50%  850.00us
     75%    2.35ms
     90%    2.57ms
     99%    1.20s
  2000 requests in 2.00s, 3.31MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:   1000.00
Transfer/sec:      1.65MB
"""


def test_what_wrk_prints_is_read_with_its_units() -> None:
    sample = _sample(WRK, 90_000.0)

    assert sample.cpu_us == 45.0
    assert sample.per_s == 1000.0
    assert sample.p50_ms == 0.85
    assert sample.p99_ms == 1200.0
    assert sample.requests == 2000
    assert sample.failed == 7


def test_a_load_without_an_answer_is_an_error_and_no_figure() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        _sample("unable to connect to 127.0.0.1:8080 Connection refused", 0.0)


@pytest.mark.parametrize(
    ("measured", "met"), [(1.9, "yes"), (2.0, "yes"), (2.1, "no"), (None, "-")], ids=["below", "at", "above", "none"]
)
def test_an_upper_bound_is_met_up_to_itself_and_never_by_nothing(
    measured: float | None, met: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report("engine", ("case", "us"))
    report.at_most("plan / bare", measured, 2.0)

    report.print()

    assert capsys.readouterr().out.splitlines()[-1].split("|")[-2].strip() == met


def test_a_lower_bound_is_missed_from_below() -> None:
    report = Report("engine", ("case", "us"))
    report.at_least("storey / plan", 29.9, 30.0)
    report.at_least("storey / plan", 30.0, 30.0)

    assert [goal.is_met for goal in report.goals] == [False, True]


@pytest.mark.parametrize(("value", "base"), [(None, 1.0), (1.0, None), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan)])
def test_a_ratio_to_nothing_is_nothing(value: float | None, base: float | None) -> None:
    assert ratio(value, base) is None
    assert ratio(3.0, 2.0) == 1.5
