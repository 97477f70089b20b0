"""What commands print: secrets of the environment are in none of it."""

import ast
import json
from pathlib import Path
from types import MappingProxyType

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import ci_core.cli
from ci_core.cli._common import echo_json, echo_text
from ci_core.masking import Masker

SECRET = "correct-horse-battery"
TOKEN = "ghp_" + "a1B2" * 9
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def printed(value: object, **env: str) -> str:
    command = click.Command("print", callback=lambda: echo_json(value))
    done = CliRunner().invoke(command, obj=env)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (SECRET, "***"),
        (f"a {SECRET}, too", "a ***, too"),
        ({"old": None, "new": SECRET}, {"old": None, "new": "***"}),
        ({f"params.yaml:{SECRET}": 1}, {"params.yaml:***": 1}),
        ({f"{SECRET}": 1, "***": 2}, {"***": 1, "****": 2}),
        ([["deep", ({"er": SECRET},)]], [["deep", [{"er": "***"}]]]),
        (MappingProxyType({"frozen": (SECRET,)}), {"frozen": ["***"]}),
        (TOKEN, "***"),
        (Path("/tmp") / SECRET, "/tmp/***"),
        ("correct", "correct"),
    ],
)
def test_secrets_are_masked_wherever_they_stand(value: object, shown: object) -> None:
    assert json.loads(printed(value, API_TOKEN=SECRET)) == shown


def test_a_number_that_is_a_secret_is_masked_and_others_stay_numbers() -> None:
    text = printed({"pin": 12345678, "auc": 0.875, "rows": 12, "yes": True, "none": None}, DOOR_PASSWORD="12345678")

    assert json.loads(text) == {"pin": "***", "auc": 0.875, "rows": 12, "yes": True, "none": None}


def test_a_secret_of_several_lines_is_found_in_a_list_of_them() -> None:
    key = "first line of it\nsecond line of it"

    assert json.loads(printed(["a", "first line of it", "second line of it"], PRIVATE_KEY=key)) == ["a", "***", "***"]


def test_text_is_masked_too() -> None:
    command = click.Command("print", callback=lambda: echo_text(f"params.yaml:a  {SECRET}\nb  {TOKEN}"))

    assert CliRunner().invoke(command, obj={"API_TOKEN": SECRET}).output == "params.yaml:a  ***\nb  ***\n"


@given(JSON)
def test_what_holds_no_secret_stays_as_it_is(value: object) -> None:
    assert Masker(["\x01never-in-any-text\x01"]).value(value) == value


def test_no_command_prints_json_in_another_way() -> None:
    folder = Path(next(iter(ci_core.cli.__path__)))
    used = {
        file.name
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "dumps"
    }

    assert used == {"_common.py"}
