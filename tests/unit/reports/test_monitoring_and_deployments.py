from __future__ import annotations

import pytest
from pydantic import ValidationError

from ci_core.reports.deployments import DeploymentsReport
from ci_core.reports.monitoring import Bins, ColumnReport, MonitoringReport
from ci_core.reports.render import (
    render_deployments_markdown,
    render_deployments_page,
    render_issue,
    render_monitoring_page,
)
from ci_core.testing.sample_monitoring import sample_deployments, sample_monitoring


def test_issue_begins_with_the_verdict_and_its_two_sentences() -> None:
    lines = [line for line in render_issue(sample_monitoring()).splitlines() if line]

    assert lines[0] == "## ❌ Drift in staging"
    assert lines[2].startswith("`temp`, `dewp` and `humid` moved")
    assert lines[3].startswith("They carry 31 %")


def test_issue_says_how_far_each_drifted_column_moved() -> None:
    body = render_issue(sample_monitoring())

    assert "| `temp` | mean 38.1 (sd 9.7) | mean 78.4 (sd 7.1) | **4.15** (0.50) | **0.842** (0.090) | 14 % |" in body


def test_trend_has_one_symbol_a_window() -> None:
    assert "\n🟢🟢🟡⚪🟢🟣🟡🟡🟡🔴🔴🔴🔴🔴\n" in render_issue(sample_monitoring())


def test_quiet_window_needs_no_table_of_columns() -> None:
    calm = tuple(column for column in sample_monitoring().columns if not column.drifted)
    report = sample_monitoring().model_copy(
        update={"state": "no-drift", "columns": calm, "reasons": ("Nothing moved.",)}
    )

    body = render_issue(report)

    assert body.startswith("## ✅ No drift in staging")
    assert "Columns that matter" not in body


def test_bounds_without_calibration_are_called_hints() -> None:
    report = sample_monitoring().model_copy(update={"calibrated": False})

    assert "not calibrated" in render_issue(report)
    assert "not calibrated" in render_monitoring_page(report)


def test_findings_about_broken_data_are_listed_with_their_column() -> None:
    column = ColumnReport(name="carrier", kind="category", distance=0.0, bound=0.1, quality=("new level `ZZ` 1.2 %",))
    report = sample_monitoring().model_copy(update={"state": "broken-data", "columns": (column,)})

    assert "- `carrier`: new level `ZZ` 1.2 %" in render_issue(report)


def test_environment_without_windows_has_a_page() -> None:
    report = MonitoringReport(project="flights", environment="staging", state="insufficient-data")

    assert "Not enough data to tell in staging" in render_monitoring_page(report)
    assert render_issue(report).startswith("## ➖ Not enough data to tell in staging")


def test_bins_without_matching_counts_are_refused() -> None:
    with pytest.raises(ValidationError, match="2 bins, but 1 reference and 2 window counts"):
        Bins(edges=(0.0, 1.0, 2.0), reference=(1.0,), window=(1.0, 2.0))


def test_deployments_are_listed_newest_first() -> None:
    body = render_deployments_markdown(sample_deployments())

    times = [line.split("|")[1].strip() for line in body.splitlines() if line.startswith("| 2013")]
    assert times == ["2013-06-14 10:02:05", "2013-06-14 09:31:40", "2013-06-14 08:30:00", "2013-06-14 08:00:12"]


def test_what_is_live_is_the_last_that_was_deployed() -> None:
    rows = sample_deployments().rows[:3]

    page = render_deployments_page(DeploymentsReport(project="flights", rows=rows))

    assert '<div class="label">live in staging</div><div class="value">77ab20c4</div>' in page
    assert '<span class="mark bad">rolled-back</span>' in page


def test_project_without_deployments_has_a_page() -> None:
    assert "Nothing was deployed yet" in render_deployments_page(DeploymentsReport(project="flights"))


def test_columns_are_called_the_others_only_beside_some_that_matter() -> None:
    drifted = sample_monitoring()
    calm = drifted.model_copy(
        update={"columns": tuple(column for column in drifted.columns if not column.drifted and not column.quality)}
    )

    assert "<b>The others</b>" in render_issue(drifted)
    assert "<b>Columns</b> · 2 columns within the bound" in render_issue(calm)
