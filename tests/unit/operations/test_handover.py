"""A folder that a stranger's code may have written: exactly two sound files, or nothing (C12)."""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_core.errors import DeliveryRefusedError
from ci_core.operations.handover import LARGEST_BYTES, read_handover, write_handover
from ci_core.reports.report import Commit, Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
REPORT = Report(project="flights", verdict="pass", head=Commit(id=HEAD, label="more-trees"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "handover"
    made.mkdir()
    write_handover(made, REPORT, number=12)
    return made


def reasons(path: Path) -> str:
    with pytest.raises(DeliveryRefusedError) as caught:
        read_handover(path)
    assert caught.value.exit_code == 2
    return " ".join(caught.value.reasons)


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def zipped(folder: Path, **others: bytes) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        for name, data in others.items():
            archive.writestr(name, data)
    return path


def test_what_was_written_is_read(folder: Path) -> None:
    found = read_handover(folder)

    assert (found.number, found.head, found.report) == (12, HEAD, REPORT)
    assert json.loads((folder / "delivery.json").read_text()) == {"format": 1, "change-request": 12, "head": HEAD}


def test_a_zip_file_of_the_folder_is_read_without_being_unpacked(folder: Path) -> None:
    path = zipped(folder)
    before = sorted(path.parent.rglob("*"))

    assert read_handover(path).report == REPORT
    assert sorted(path.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["report.html", "../report.json", "conftest.py", ".git", "Report.json"])
def test_another_file_in_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")

    if "/" in name:  # it lies beside the folder, not in it
        assert read_handover(folder).number == 12
    else:
        assert f"`{name}`, which does not belong there" in reasons(folder)


@pytest.mark.parametrize("name", ["../../evil", "/etc/cron.d/evil", "report.json/../x", "handover/report.json"])
def test_another_name_in_a_zip_file_is_refused(folder: Path, name: str) -> None:
    assert "does not belong there" in reasons(zipped(folder, **{name: b"x"}))


def test_a_name_twice_in_a_zip_file_is_refused(folder: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(folder, **{"report.json": b"{}"})

    assert reasons(path) == "it holds a name twice"


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "report.json").rename(tmp_path / "elsewhere.json")
    (folder / "report.json").symlink_to(tmp_path / "elsewhere.json")

    assert reasons(folder) == "`report.json` is not a plain file"


def test_a_link_instead_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)

    assert reasons(link) == "it is no folder and no ZIP file"


def test_a_second_name_of_a_file_elsewhere_is_refused(folder: Path, tmp_path: Path) -> None:
    os.link(folder / "delivery.json", tmp_path / "again")

    assert reasons(folder) == "`delivery.json` is not a plain file"


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "report.json").unlink()
    os.mkfifo(folder / "report.json")

    assert reasons(folder) == "`report.json` is not a plain file"


def test_a_folder_instead_of_a_file_is_refused(folder: Path) -> None:
    (folder / "report.json").unlink()
    (folder / "report.json").mkdir()

    assert "report.json" in reasons(folder)


@pytest.mark.parametrize("name", ["report.json", "delivery.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert reasons(folder) == f"`{name}` is not there"


def test_a_file_of_two_hundred_megabytes_is_not_read_whole(folder: Path) -> None:
    with (folder / "report.json").open("r+b") as file:
        file.truncate(200 * 1024 * 1024)  # of zeros that take no place on disk

    assert reasons(folder) == "`report.json` has more than 8,388,608 bytes"


def test_a_zip_bomb_is_not_unpacked(folder: Path) -> None:
    (folder / "report.json").unlink()
    path = zipped(folder, **{"report.json": b"0" * (64 * 1024 * 1024)})
    assert path.stat().st_size < 100_000

    assert reasons(path) == "`report.json` has more than 8,388,608 bytes"


def test_a_zip_file_that_is_cut_or_encrypted_or_none_is_refused(folder: Path) -> None:
    whole = zipped(folder).read_bytes()
    flagged = bytearray(whole)
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the flag for an encrypted entry, in each entry's two heads
        at = flagged.find(mark)
        while at >= 0:
            flagged[at + (6 if mark == b"PK\x03\x04" else 8)] |= 1
            at = flagged.find(mark, at + 1)

    for data in (whole[: len(whole) // 2], bytes(flagged), b"no zip", b""):
        path = folder.parent / "given.zip"
        path.write_bytes(data)
        assert reasons(path) == "it is no ZIP file that can be read"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no valid JSON"),
        (b"<html>sign in</html>", "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        (b'{"a": NaN}', "no valid JSON"),
        (b'{"format": 1, "format": 1}', "a key is there twice"),
        (b"[" * 1_000 + b"]" * 1_000, "nested too deep"),
        (b"[" * 4_000, "nested too deep"),
    ],
)
def test_what_is_no_sound_json_is_refused(folder: Path, data: bytes, reason: str) -> None:
    (folder / "delivery.json").write_bytes(data)

    assert reason in reasons(folder)


@pytest.mark.parametrize(
    "address",
    [
        {"format": 2, "change-request": 12, "head": HEAD},
        {"format": 1, "change-request": "12", "head": HEAD},
        {"format": 1, "change-request": "<b>12</b>", "head": HEAD},
        {"format": 1, "change-request": 0, "head": HEAD},
        {"format": 1, "change-request": True, "head": HEAD},
        {"format": 1, "change-request": 12.0, "head": HEAD},
        {"format": 1, "change-request": 12, "head": "main"},
        {"format": 1, "change-request": 12, "head": HEAD[:12]},
        {"format": 1, "change-request": 12, "head": HEAD + "\n"},
        {"format": 1, "change-request": 12},
        {"format": 1, "change-request": 12, "head": HEAD, "then": "rm -rf"},
        [],
    ],
)
def test_an_address_of_another_shape_is_refused(folder: Path, address: object) -> None:
    (folder / "delivery.json").write_text(json.dumps(address))

    assert reasons(folder)


def test_two_different_commits_are_refused(folder: Path) -> None:
    edit(folder, "delivery.json", lambda content: content.update(head="1" * 40))

    assert reasons(folder) == "`report.json` and `delivery.json` name different commits"


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.update(schema=2),
        lambda report: report.update(verdict="great"),
        lambda report: report.update(script="<script>"),
        lambda report: report.update(stale="<b>3</b>"),
        lambda report: report.update(gates=[{"key": "auc"}]),
        lambda report: report.pop("project"),
    ],
)
def test_a_report_that_does_not_fit_its_schema_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit(folder, "report.json", change)

    assert reasons(folder)


def test_the_values_of_a_refused_file_are_not_repeated(folder: Path) -> None:
    edit(folder, "report.json", lambda report: report.update(verdict="<img src=x onerror=alert(1)>"))

    assert "<img" not in reasons(folder)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), at=st.integers(min_value=0, max_value=2_000))
def test_whatever_bytes_are_there_they_are_read_or_refused(folder: Path, data: bytes, at: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("report.json", REPORT.to_json())
        archive.writestr("delivery.json", json.dumps({"format": 1, "change-request": 12, "head": HEAD}))
    whole = bytearray(stream.getvalue())
    whole[at : at + len(data)] = data
    path = folder.parent / "fuzzed.zip"
    path.write_bytes(whole)

    try:
        found = read_handover(path)
    except DeliveryRefusedError:
        return
    assert len(found.report.to_json()) <= 4 * LARGEST_BYTES["report.json"]
