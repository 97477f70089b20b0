from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.deploy.smoke import SmokeRequest, read_smoke_requests
from ci_core.errors import SmokeFileError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_is_a_body_or_a_request(tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text(
        '{"carrier": "AA", "body": 1}\n\n'
        '{"body": [1], "path": "/v2", "method": "PUT", "headers": {"a": "b"}, "status": 404}\n'
    )

    first, second = read_smoke_requests(tmp_path, "requests.jsonl")

    assert first == {
        "body": {"carrier": "AA", "body": 1},
        "path": "/",
        "method": "POST",
        "headers": {},
        "status": 200,
    }
    assert second == {"body": [1], "path": "/v2", "method": "PUT", "headers": {"a": "b"}, "status": 404}
    assert SmokeRequest.from_json(second) == SmokeRequest(
        body=[1], path="/v2", method="PUT", headers={"a": "b"}, status=404
    )


def test_a_project_without_a_file_has_no_requests(tmp_path: Path) -> None:
    assert read_smoke_requests(tmp_path, None) == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting property name"),
        ('{"body": 1, "status": "200"}', "`status` must be a whole number"),
        ('{"body": 1, "status": true}', "`status` must be a whole number"),
        ('{"body": 1, "headers": {"a": 1}}', "`headers` must hold only text values"),
        ('{"body": 1, "path": "v2"}', "`path` must start with `/`"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "requests.jsonl").write_text('{"x": 1}\n' + line + "\n")

    with pytest.raises(SmokeFileError, match=problem) as caught:
        read_smoke_requests(tmp_path, "requests.jsonl")

    assert caught.value.where == ("requests.jsonl:2",)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SmokeFileError, match="No such file"):
        read_smoke_requests(tmp_path, "requests.jsonl")
