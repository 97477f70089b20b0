from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ci_core.behaviour.requests import Requests, recorded, sampled, shown, to_send, together
from ci_core.config.settings import LabelSettings, MonitorSettings
from ci_core.deploy.smoke import SmokeRequest

if TYPE_CHECKING:
    from pathlib import Path

    from ci_core.types import JsonValue

MONITOR = MonitorSettings(
    reference="data/train.parquet",
    window=timedelta(days=1),
    time_column="at",
    target="late",
    ignore=("row",),
    labels=LabelSettings(path="labels.parquet", key="id"),
)


def table(tmp_path: Path, rows: int = 1_000) -> Path:
    path = tmp_path / "train.parquet"
    duckdb.execute(
        f"""COPY (
            SELECT i AS row, i AS id, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS at, i % 2 AS late,
                i AS count, i / 8 AS share, 'c' || i % 3 AS city, i % 2 = 0 AS open, DATE '2024-02-01' AS day,
                CASE WHEN i % 2 = 0 THEN NULL ELSE 'NaN'::DOUBLE END AS gap, (i / 4)::DECIMAL(9, 2) AS price
            FROM range({rows}) AS t(i)
        ) TO '{path}' (FORMAT parquet)"""
    )
    return path


def test_rows_of_the_reference_are_asked_without_target_time_labels_and_ignored_columns(tmp_path: Path) -> None:
    found = sampled(table(tmp_path), MONITOR, None)

    assert found.source == "200 rows of data/train.parquet"
    assert len(found.requests) == 200
    body = found.requests[0].body
    assert isinstance(body, dict)
    assert list(body) == ["count", "share", "city", "open", "day", "gap", "price"]


def test_rows_have_the_values_that_a_client_would_send(tmp_path: Path) -> None:
    found = sampled(table(tmp_path, rows=2), MONITOR, None)

    assert sorted(json.dumps(request.body) for request in found.requests) == [
        '{"count": 0, "share": 0.0, "city": "c0", "open": true, "day": "2024-02-01", "gap": null, "price": 0.0}',
        '{"count": 1, "share": 0.125, "city": "c1", "open": false, "day": "2024-02-01", "gap": null, "price": 0.25}',
    ]


def test_the_same_table_gives_the_same_rows_each_time(tmp_path: Path) -> None:
    path = table(tmp_path)

    assert sampled(path, MONITOR, None) == sampled(path, MONITOR, None)


def test_columns_that_the_graph_takes_are_asked_also_where_monitoring_ignores_them(tmp_path: Path) -> None:
    found = sampled(table(tmp_path), MONITOR, {"row", "city", "absent"})

    body = found.requests[0].body
    assert isinstance(body, dict)
    assert list(body) == ["row", "city"]


def test_a_table_that_cannot_be_asked_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_text("no table")

    assert sampled(tmp_path / "absent.parquet", MONITOR, None).problem == (
        "no rows of `data/train.parquet` can be read: there is no such file"
    )
    assert sampled(table(tmp_path, rows=0), MONITOR, None).problem == "`data/train.parquet` has no rows"
    assert sampled(table(tmp_path), MONITOR, {"x"}).problem == (
        "`data/train.parquet` has none of the columns that the graph takes"
    )
    assert str(sampled(tmp_path / "broken.parquet", MONITOR, None).problem).startswith(
        "no rows of `data/train.parquet` can be read: "
    )


# --- what both sides ask ---


def asked(*bodies: JsonValue, **more: Any) -> Requests:
    return Requests(source="requests.jsonl", requests=tuple(SmokeRequest(body=body) for body in bodies), **more)


def bodies(found: Requests) -> list[JsonValue]:
    return [request.body for request in found.requests]


def test_requests_of_both_sides_are_asked_once_those_of_the_base_first() -> None:
    found = together(asked(1, 2, 3), asked(4, 2, 3, 4))

    assert (bodies(found), found.added, found.source, found.problem) == ([1, 2, 3, 4], 1, "requests.jsonl", None)
    assert found.notes == (
        "the change takes 1 of 3 requests of the base away: it was asked all the same",
        "the change adds 1 request, which does not count",
    )


def test_requests_that_a_change_leaves_alone_need_no_word() -> None:
    found = together(asked({"x": 1, "y": 2}, 2), asked(2, {"y": 2, "x": 1}))

    assert (bodies(found), found.added, found.notes) == ([{"x": 1, "y": 2}, 2], 0, ())


@pytest.mark.parametrize(
    ("base", "head", "note"),
    [
        (asked(1), None, "the change takes the only request of the base away: it was asked all the same"),
        (asked(1, 2), None, "the change takes all 2 requests of the base away: they were asked all the same"),
        (asked(1, 2, 3), asked(1), "the change takes 2 of 3 requests of the base away: they were asked all the same"),
        (asked(1), asked(1, 2, 3), "the change adds 2 requests, which do not count"),
    ],
)
def test_how_the_requests_of_a_change_differ_is_told(base: Requests, head: Requests | None, note: str) -> None:
    assert together(base, head).notes == (note,)


def test_where_the_base_has_no_requests_those_of_the_change_are_all_there_is() -> None:
    nothing = Requests(source="old.jsonl", problem="the recorded requests cannot be sent")

    found = together(nothing, asked(1, 2))

    assert (bodies(found), found.added, found.problem) == ([1, 2], 0, "base: the recorded requests cannot be sent")
    assert together(None, asked(1)) == asked(1)
    assert together(None, None) == Requests(source="")


def test_requests_of_a_change_that_cannot_be_read_keep_none_of_the_base_back() -> None:
    found = together(asked(1, 2), Requests(source="requests.jsonl", problem="line 2 is broken"))

    assert (bodies(found), found.added, found.problem) == ([1, 2], 0, "head: line 2 is broken")


def test_a_request_is_the_same_whatever_status_it_should_have() -> None:
    base = Requests(source="a", requests=(SmokeRequest(body=1, headers={"A": "b"}), SmokeRequest(body=1, path="/v2")))
    head = Requests(source="b", requests=(SmokeRequest(body=1, headers={"a": "b"}, status=404), SmokeRequest(body=1)))

    found = together(base, head)

    assert [(one.path, one.status, dict(one.headers)) for one in found.requests] == [
        ("/", 200, {"A": "b"}),
        ("/v2", 200, {}),
        ("/", 200, {}),
    ]
    assert (found.added, found.source) == (1, "a of the base and b")


def test_of_a_long_file_the_first_thousand_requests_are_sent(tmp_path: Path) -> None:
    (tmp_path / "many.jsonl").write_text("".join(f'{{"x": {number}}}\n' for number in range(1_500)))

    found = recorded(tmp_path, "many.jsonl")

    assert found.source == "the first 1,000 of many.jsonl"
    assert [found.requests[0].body, found.requests[-1].body] == [{"x": 0}, {"x": 999}]


def test_a_file_with_a_broken_line_says_which(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"x": 1}\n{broken\n')

    found = recorded(tmp_path, "broken.jsonl")

    assert found.requests == ()
    assert str(found.problem).startswith("the recorded requests cannot be sent: ")
    assert "broken.jsonl:2" in str(found.problem)


def test_a_request_says_that_it_is_a_rehearsal_and_has_a_fixed_id_and_time() -> None:
    sent = to_send(7, SmokeRequest(body={"x": 1}), happened="2024-03-01T12:00:00+00:00")

    assert sent == {
        "method": "POST",
        "path": "/",
        "body": '{"x": 1}',
        "headers": {
            "content-type": "application/json",
            "x-event-id": "behaviour-000007",
            "x-event-time": "2024-03-01T12:00:00+00:00",
            "x-graphship-smoke": "1",
        },
    }


def test_recorded_headers_win_but_for_the_one_that_tells_a_rehearsal() -> None:
    request = SmokeRequest(
        body=None,
        method="get",
        path="/v2?full=1",
        headers={"X-Event-Id": "mine", "x-event-time": "2020-01-01", "X-Graphship-Smoke": "0"},
    )

    sent = to_send(0, request, happened=None)

    assert (sent["method"], sent["path"], sent["body"]) == ("GET", "/v2", None)
    assert sent["headers"] == {
        "content-type": "application/json",
        "x-event-id": "mine",
        "x-event-time": "2020-01-01",
        "x-graphship-smoke": "1",
    }


def test_a_request_to_the_graph_is_shown_by_its_body_and_any_other_by_its_path_too() -> None:
    assert shown(SmokeRequest(body={"x": 1})) == {"x": 1}
    assert shown(SmokeRequest(body=[], path="/v2/models/m/infer")) == {
        "method": "POST",
        "path": "/v2/models/m/infer",
        "body": [],
    }
