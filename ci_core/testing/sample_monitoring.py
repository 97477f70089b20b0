"""Reports on what serves in the flights story: its monitoring and its deployments, filled in by hand."""

from __future__ import annotations

import math

from ci_core.reports.deployments import DeploymentRow, DeploymentsReport, Phase
from ci_core.reports.monitoring import Bins, ColumnReport, MonitoringReport, WindowReport
from ci_core.reports.report import Link
from ci_core.testing.sample_story import BASE, HEAD, NEW_RELEASE, OLD_RELEASE


def sample_monitoring() -> MonitoringReport:
    """Return the monitoring of staging after two weeks of summer: three weather columns drifted."""
    history = tuple(_window(day, state) for day, state in zip(range(15, 29), _STATES, strict=True))
    return MonitoringReport(
        project="flights",
        environment="staging",
        release=OLD_RELEASE,
        commit=BASE,
        state="drift",
        reasons=(
            "`temp`, `dewp` and `humid` moved beyond what 1 January to 14 February leads us to expect.",
            "They carry 31 % of the model's importance, and stayed beyond the bound for three windows.",
        ),
        window=history[-1],
        columns=_columns(),
        history=history,
        next_steps=(
            "A retrain change request is opened: `data/train.parquet` gets 14 new windows.",
            "This issue closes itself when a window without drift follows.",
        ),
        links=(
            Link(kind="report", text="the monitoring page", url="https://ci.example/monitoring/staging.html"),
            Link(kind="change-request", text="change request 3", url="https://ci.example/change-requests/3"),
        ),
    )


_STATES = ("no-drift", "no-drift", "potential", "insufficient-data", "no-drift", "broken-data", *("potential",) * 3) + (
    "drift",
) * 5


def _window(day: int, state: str) -> WindowReport:
    return WindowReport.model_validate(
        {
            "start": f"2013-06-{day:02}T00:00:00Z",
            "end": f"2013-06-{day + 1:02}T00:00:00Z",
            "label": f"2013-06-{day:02}",
            "state": state,
            "rows": 12 if state == "insufficient-data" else 905 + 7 * (day % 5),
            "top_columns": ("temp", "dewp", "humid") if state in {"drift", "potential"} else (),
        }
    )


def _columns() -> tuple[ColumnReport, ...]:
    return (
        _weather("temp", (38.1, 9.7), (78.4, 7.1), distance=0.842, shift=4.15, importance=0.14),
        _weather("dewp", (24.3, 12.4), (62.0, 8.8), distance=0.731, shift=3.04, importance=0.11),
        _weather("humid", (58.2, 16.1), (66.9, 19.4), distance=0.164, shift=0.61, importance=0.06),
        _weather("wind_speed", (11.2, 5.6), (9.4, 5.0), distance=0.031, shift=0.33, importance=0.05, drifted=False),
        ColumnReport(
            name="carrier",
            kind="category",
            distance=0.004,
            bound=0.02,
            floor=0.01,
            importance=0.08,
            reference_summary="UA 18 %, B6 16 %, EV 16 %",
            window_summary="UA 18 %, B6 17 %, EV 15 %",
            bins=Bins(levels=("UA", "B6", "EV", "DL"), reference=(180, 160, 160, 130), window=(18, 17, 15, 14)),
        ),
    )


def _weather(
    name: str,
    reference: tuple[float, float],
    window: tuple[float, float],
    *,
    distance: float,
    shift: float,
    importance: float,
    drifted: bool = True,
) -> ColumnReport:
    edges = tuple(float(edge) for edge in range(0, 104, 4))

    def counts(mean: float, deviation: float, rows: int) -> tuple[float, ...]:
        heights = tuple(math.exp(-(((edge + 2 - mean) / deviation) ** 2) / 2) for edge in edges[:-1])
        return tuple(float(round(rows * height / sum(heights))) for height in heights)

    return ColumnReport(
        name=name,
        distance=distance,
        bound=0.09,
        floor=0.02,
        shift=shift,
        shift_bound=0.5,
        drifted=drifted,
        importance=importance,
        reference_summary=f"mean {reference[0]} (sd {reference[1]})",
        window_summary=f"mean {window[0]} (sd {window[1]})",
        bins=Bins(edges=edges, reference=counts(*reference, 36_012), window=counts(*window, 926)),
    )


def sample_deployments() -> DeploymentsReport:
    """Return four deployments: two that went live, one rolled back, one that changed nothing."""
    phases = (
        Phase(phase="start", seconds=0.81),
        Phase(phase="health", seconds=0.35),
        Phase(phase="smoke", seconds=0.2),
    )
    row = DeploymentRow(
        when="2013-06-14T08:00:12Z",
        environment="staging",
        release=OLD_RELEASE,
        commit=BASE,
        outcome="deployed",
        reason="the first release",
        phases=(*phases, Phase(phase="switch", seconds=0.04)),
        who="graphship deploy",
    )
    merged = {"who": "change request 2", "url": "https://ci.example/change-requests/2", "commit": HEAD}
    return DeploymentsReport(
        project="flights",
        rows=(
            row,
            row.model_copy(update={"when": "2013-06-14T08:30:00Z", "outcome": "unchanged", "reason": "same release"}),
            row.model_copy(
                update={
                    **merged,
                    "when": "2013-06-14T09:31:40Z",
                    "release": "4f" * 32,
                    "outcome": "rolled-back",
                    "reason": "smoke request 3 answered 500 where 200 was recorded; `77ab20c49fd1` kept serving",
                    "phases": phases,
                }
            ),
            row.model_copy(
                update={
                    **merged,
                    "when": "2013-06-14T10:02:05Z",
                    "release": NEW_RELEASE,
                    "reason": "replaces `77ab20c49fd1`",
                }
            ),
        ),
        links=(Link(text="the report", url="report.html"),),
    )
