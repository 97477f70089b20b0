"""``graphship monitor`` on any two tables, as a user types it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from ci_core.cli import cli
from ci_core.cli._render import run
from ci_core.cli.monitor import _exit_code
from ci_core.demo.dataset import Period, write_training_table
from ci_core.monitoring.spec import State
from ci_core.testing.golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "monitoring"
PERIODS = {
    "winter": Period(first=date(2013, 1, 1), last=date(2013, 2, 14)),
    "march": Period(first=date(2013, 3, 1), last=date(2013, 3, 14)),
    "june": Period(first=date(2013, 6, 15), last=date(2013, 6, 28)),
}
NUMBER_OR_INF = {"anyOf": [{"type": "number"}, {"const": "inf"}, {"type": "null"}]}
SHAPE = {
    "type": "object",
    "required": ["verdict", "reasons", "calibrated", "rows", "window", "windows", "columns", "not-compared"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"enum": ["no-drift", "potential", "drift", "broken-data", "insufficient-data"]},
        "reasons": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        "calibrated": {"type": "boolean"},
        "rows": {"type": "integer"},
        "window": {"anyOf": [{"type": "object", "required": ["start", "end"]}, {"type": "null"}]},
        "windows": {"type": "array", "items": {"required": ["start", "end", "rows", "verdict"]}},
        "not-compared": {"type": "object", "additionalProperties": {"type": "string"}},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "kind", "distance", "bound", "floor", "drifted", "quality", "statistics"],
                "properties": {
                    "kind": {"enum": ["numeric", "category", "boolean"]},
                    "distance": {"type": "number", "minimum": 0, "maximum": 1},
                    "bound": NUMBER_OR_INF,
                    "floor": {"type": "number"},
                    "drifted": {"type": "boolean"},
                    "quality": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, period in PERIODS.items():
        write_training_table(folder / f"{name}.parquet", period)
    return folder


@pytest.fixture
def here(flights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the folder of the tables, so that messages name them as a user would."""
    monkeypatch.chdir(flights)
    return flights


def monitor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command and return exit code, stdout and stderr."""
    code = int(run(cli, ["monitor", *arguments], {"NO_COLOR": "1"}))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def table(path: Path, query: str) -> str:
    """Write the rows of a query as Parquet and return the file's name."""
    duckdb.connect().execute(f"COPY ({query}) TO '{path}'")
    return path.name


BY_TIME = ("--time-column", "time_hour", "--ignore", "late")


@pytest.mark.parametrize("window", ["june", "march"])
def test_with_a_time_column_the_text_says_what_moved_and_when(
    here: Path, capsys: pytest.CaptureFixture[str], window: str
) -> None:
    code, out, err = monitor(capsys, "--reference", "winter.parquet", "--window", f"{window}.parquet", *BY_TIME)

    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 100
    assert_golden(GOLDEN / f"{window}.txt", out)


def test_without_a_time_column_the_text_says_that_it_is_uncalibrated(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", "march.parquet", "--ignore", "late")

    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= 100
    assert_golden(GOLDEN / "uncalibrated.txt", out)


def test_a_window_that_is_too_short_to_judge_is_told_without_a_trend_and_without_doubt_in_its_bounds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = table(here / "short.parquet", "SELECT * FROM 'march.parquet' LIMIT 100")

    _, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, *BY_TIME)

    assert out.startswith("insufficient-data  100 rows")
    assert "insufficient-data 1" not in out
    assert "uncalibrated" not in out


def test_the_json_has_the_published_shape_and_spelling(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = monitor(
        capsys, "--reference", "winter.parquet", "--window", "june.parquet", *BY_TIME, "--ignore", "dest", "--json"
    )

    found = json.loads(out)
    jsonschema.validate(found, SHAPE)
    assert code == 0
    assert (found["verdict"], found["calibrated"]) == ("drift", True)
    assert [window["verdict"] for window in found["windows"]] == ["potential", *["drift"] * 13]
    assert found["not-compared"] == {
        "dest": "ignored",
        "event_id": "an identifier: nearly every row has its own value",
        "late": "ignored",
    }
    temperature = next(column for column in found["columns"] if column["name"] == "temp")
    assert_golden(GOLDEN / "temp.json", json.dumps(temperature, indent=2, sort_keys=True, ensure_ascii=False))


def test_a_table_is_not_different_from_itself(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", "winter.parquet", "--json")

    found = json.loads(out)
    assert (found["verdict"], found["calibrated"], found["window"]) == ("no-drift", False, None)
    assert {column["distance"] for column in found["columns"]} == {0.0}


@pytest.mark.parametrize(
    ("state", "fail_on", "code"),
    [
        ("potential", ["potential"], 1),
        ("drift", ["potential"], 1),
        ("broken-data", ["potential"], 0),
        ("potential", ["drift"], 0),
        ("drift", ["drift"], 1),
        ("broken-data", ["drift", "broken-data"], 1),
        ("insufficient-data", ["potential", "drift", "broken-data"], 0),
        ("drift", [], 0),
    ],
)
def test_fail_on_names_the_verdicts_that_fail(state: State, fail_on: list[str], code: int) -> None:
    assert _exit_code(state, tuple(fail_on)) == code


def test_a_verdict_that_was_named_exits_with_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = table(here / "lacking.parquet", "SELECT * EXCLUDE (temp) FROM 'june.parquet'")

    code, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, "--fail-on", "broken-data")

    assert code == 1
    assert out.startswith("broken-data  12,7")


def test_a_column_that_the_window_lacks_is_broken_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = table(here / "lacking.parquet", "SELECT * EXCLUDE (temp) FROM 'june.parquet'")

    code, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, "--json")

    found = json.loads(out)
    assert (code, found["verdict"]) == (0, "broken-data")
    assert found["reasons"][0] == "The data are broken: `temp` is missing."
    assert (found["columns"][0]["name"], found["columns"][0]["quality"]) == ("temp", ["is missing"])


def test_a_column_of_another_type_is_broken_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = table(here / "retyped.parquet", "SELECT * REPLACE ('cold' AS temp) FROM 'june.parquet'")

    _, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, "--json")

    assert json.loads(out)["reasons"][0] == "The data are broken: `temp` is text, was a number."


def test_a_column_that_only_the_window_has_is_told_and_not_compared(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = table(here / "wider.parquet", "SELECT *, 1 AS gate FROM 'winter.parquet'")

    _, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, "--json")

    found = json.loads(out)
    assert found["verdict"] == "no-drift"
    assert found["not-compared"]["gate"] == "not in the reference"


@pytest.mark.parametrize("options", [(), ("--time-column", "time_hour")])
def test_an_empty_window_is_insufficient_data_and_exit_zero(
    here: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    window = table(here / "empty.parquet", "SELECT * FROM 'june.parquet' LIMIT 0")

    code, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", window, *options, "--json")

    found = json.loads(out)
    assert (code, found["verdict"], found["rows"]) == (0, "insufficient-data", 0)
    assert found["reasons"][0] == "The window has no rows; a verdict needs 500."


def test_a_csv_with_a_header_and_nothing_else_is_an_empty_window(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "header.csv").write_text("temp,dewp,carrier\n")

    code, out, _ = monitor(capsys, "--reference", "winter.parquet", "--window", "header.csv")

    assert code == 0
    assert out.startswith("insufficient-data  0 rows against 37,368 of the reference\n")


def test_constant_missing_and_infinite_columns_break_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = (
        "SELECT i % 7 AS x, 5.0 AS constant, NULL::DOUBLE AS absent, "
        "CASE WHEN i % 3 = 0 THEN 'inf'::DOUBLE WHEN i % 3 = 1 THEN '-inf'::DOUBLE ELSE i % 21 END AS wild, "
        "'all' AS one_level, i % 2 = 0 AS flag FROM range({}) AS t(i)"
    )
    reference = table(here / "odd.parquet", odd.format(2100))
    window = table(here / "odd-window.parquet", odd.format(1050))

    code, out, err = monitor(capsys, "--reference", reference, "--window", window, "--json")

    assert (code, err) == (0, "")
    assert json.loads(out)["verdict"] == "no-drift"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no-such-file", ["--reference", "winter.parquet", "--window", "nowhere.parquet"]),
        ("cut-short", ["--reference", "cut.parquet", "--window", "june.parquet"]),
        ("nothing-in-common", ["--reference", "winter.parquet", "--window", "strange.parquet"]),
        (
            "no-time-column",
            ["--reference", "winter.parquet", "--window", "june.parquet", "--time-column", "time_hours"],
        ),
        ("not-a-time", ["--reference", "winter.parquet", "--window", "june.parquet", "--time-column", "temp"]),
        ("empty-reference", ["--reference", "none.parquet", "--window", "june.parquet"]),
        ("one-table", ["--reference", "winter.parquet"]),
        ("bad-length", ["--reference", "winter.parquet", "--window", "june.parquet", "--length", "1 day"]),
        ("zero-length", ["--reference", "winter.parquet", "--window", "june.parquet", "--length", "0h"]),
    ],
)
def test_bad_input_is_one_clear_error_and_exit_code_two(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    (here / "cut.parquet").write_bytes((here / "winter.parquet").read_bytes()[:5000])
    table(here / "strange.parquet", "SELECT 1 AS a, 'b' AS c")
    table(here / "none.parquet", "SELECT * FROM 'winter.parquet' LIMIT 0")

    code, out, err = monitor(capsys, *arguments)

    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert_golden(GOLDEN / "errors" / f"{name}.txt", err)


def test_nothing_is_left_behind(
    here: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    duckdb.connect().execute(f"COPY (SELECT * FROM 'june.parquet') TO '{here / 'june.csv'}'")

    monitor(capsys, "--reference", "winter.parquet", "--window", "june.csv")

    assert list(tmp_path.iterdir()) == []
