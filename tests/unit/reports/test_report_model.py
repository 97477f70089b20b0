from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from ci_core.reports.report import Commit, ConfusionMatrix, MetricRow, Plot, Report, Series
from ci_core.reports.schema import SCHEMA_FILE, report_schema
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_reports import sample_failed_report, sample_report

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("folder", ["ci_core/reports", "docs"])
def test_published_schema_is_the_schema_of_the_model(folder: str) -> None:
    assert_golden(ROOT / folder / SCHEMA_FILE, report_schema())


def test_schema_is_shipped_in_the_package() -> None:
    shipped = resources.files("ci_core.reports").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")

    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))


@pytest.mark.parametrize("make", [sample_report, sample_failed_report])
def test_written_reports_satisfy_the_schema(make: object) -> None:
    report = make()  # type: ignore[operator]  # one of the two makers

    jsonschema.validate(json.loads(report.to_json()), json.loads(report_schema()))


def test_report_survives_a_round_trip_through_json() -> None:
    report = sample_report()

    assert Report.model_validate_json(report.to_json()) == report


def test_schema_number_is_written_under_its_short_name() -> None:
    assert json.loads(sample_report().to_json())["schema"] == 1


def test_metrics_keep_their_types() -> None:
    row = MetricRow.model_validate_json('{"key": "m", "old": true, "new": 1}')

    assert (row.old, row.new) == (True, 1)
    assert isinstance(row.old, bool)
    assert not isinstance(row.new, bool)


def test_numbers_that_json_cannot_hold_become_words() -> None:
    row = MetricRow(key="m", old=float("nan"), new=float("-inf"))

    assert json.loads(row.model_dump_json())["old"] == "NaN"
    assert row.new == "-Infinity"


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Commit.model_validate({"id": "a", "label": "b", "colour": "red"})


def test_plot_with_unequal_lengths_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"plot `loss`: 2 x for 1 y"):
        Plot(name="loss", kind="line", series=(Series(side="head", x=(1.0, 2.0), y=(0.5,)),))


def test_histogram_may_have_one_edge_more_than_counts() -> None:
    plot = Plot(name="h", kind="histogram", series=(Series(side="head", x=(0.0, 1.0), y=(3.0,)),))

    assert plot.series[0].x == (0.0, 1.0)


def test_confusion_matrix_must_be_square() -> None:
    with pytest.raises(ValidationError, match="not square"):
        Plot(name="c", kind="confusion", matrices=(ConfusionMatrix(side="head", classes=("a", "b"), counts=((1, 2),)),))
