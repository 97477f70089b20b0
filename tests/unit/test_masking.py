from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.masking import SHAPES_ONLY, Masker, secret_values


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "CI_JOB_TOKEN",
        "GITLAB_PAT",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "DB_PASSWORD",
        "api_key",
        "MY_SECRET_FOR_X",
        "GOOGLE_CREDENTIALS",
        "SENTRY_DSN",
    ],
)
def test_a_variable_named_like_a_secret_is_one(name: str) -> None:
    assert list(secret_values({name: "hunter2-hunter2"})) == ["hunter2-hunter2"]


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "GITHUB_SHA",
        "MONKEY",
        "KEYBOARD",
        "COMPASS",
        "AWS_ACCESS_KEY_ID",
        "GOOGLE_APPLICATION_CREDENTIALS_FILE",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "PATTERN",
    ],
)
def test_a_variable_named_otherwise_is_none(name: str) -> None:
    assert list(secret_values({name: "hunter2-hunter2"})) == []


def test_a_value_too_short_to_tell_from_a_word_is_left_out() -> None:
    assert list(secret_values({"DB_PASSWORD": "root"})) == []


SECRET = "s3cr-value/of+the=stage?420"
TOKEN = "ghp_" + "a1B2" * 9
MASKER = Masker([SECRET])


@pytest.mark.parametrize("spelling", [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()])
def test_the_beginning_of_a_value_before_a_cut_is_masked_wherever_it_was_cut(spelling: str) -> None:
    shown = {MASKER.text(f"got {spelling[:kept]}… (900 bytes)") for kept in range(4, len(spelling) + 1)}

    assert shown == {"got ***… (900 bytes)"}


def test_the_end_of_a_value_after_a_cut_is_masked_wherever_it_was_cut() -> None:
    shown = {MASKER.text(f"it is …{SECRET[start:]} here") for start in range(len(SECRET) - 3)}

    assert shown == {"it is …*** here"}


def test_a_value_that_was_cut_in_its_middle_is_masked_on_both_sides() -> None:
    assert MASKER.text(f"x {SECRET[:9]}…{SECRET[-7:]} y") == "x ***…*** y"


def test_a_value_that_was_broken_over_lines_and_then_cut_is_masked() -> None:
    assert MASKER.text("x s3cr-value\n  /of+the…") == "x ***…"


def test_three_characters_before_a_cut_may_begin_any_word() -> None:
    assert MASKER.text("s3c… and t420…") == "s3c… and t420…"


def test_what_only_looks_like_a_beginning_is_left_alone() -> None:
    assert MASKER.text("s3cr-other… and s3cr-valu, …420 and …") == "s3cr-other… and s3cr-valu, …420 and …"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"x {TOKEN[:12]}… y", "x ***… y"),
        ("glpat-abcd…", "***…"),
        ("pypi-AgEIcHlwaS5vcmc…", "***…"),
        ("aws_secret_access_key = kkkkkkkkkkkk…", "***…"),
        ("postgresql://app:hunter2-ho…", "postgresql://***…"),
        ("https://app:42secret…", "https://***…"),
        ("http://localhost:8080…", "http://localhost:8080…"),
        ("s3://bucket/data/train.parquet…", "s3://bucket/data/train.parquet…"),
        ("ghp_ab…", "ghp_ab…"),
    ],
)
def test_the_beginning_of_what_looks_like_a_token_before_a_cut_is_masked(text: str, shown: str) -> None:
    assert SHAPES_ONLY.text(text) == shown


def test_texts_side_by_side_that_were_cut_are_masked_each() -> None:
    assert MASKER.texts([f"{SECRET[:8]}…", "plain …", f"…{SECRET[8:]}", f"{TOKEN[:12]}…"]) == [
        "***…",
        "plain …",
        "…***",
        "***…",
    ]


def test_a_value_of_any_bytes_is_masked() -> None:
    value = b"caf\xe9-of-bytes".decode("utf-8", "surrogateescape")

    assert Masker([value]).text(f"a {value} b caf%E9-of-bytes") == "a *** b ***"


def test_half_a_surrogate_pair_in_a_secret_of_json_does_no_harm() -> None:
    assert Masker(['{"key": "half-\\ud800-of-it"}']).text("plain") == "plain"


@given(st.text(alphabet="s3cr-value/of+the=stage?420… \n", max_size=80))
def test_masking_what_was_cut_twice_is_masking_it_once(text: str) -> None:
    assert MASKER.text(MASKER.text(text)) == MASKER.text(text)


@given(before=st.text("xyz \n"), after=st.text("xyz \n"), most=st.integers(1, 60))
def test_whoever_cuts_first_leaves_no_piece_of_a_value(before: str, after: str, most: int) -> None:
    whole = f"{before}{SECRET}{after}"
    cut = whole if len(whole) <= most else f"{whole[:most]}…"

    shown = MASKER.text(cut)

    assert not any(SECRET[start : start + 4] in shown for start in range(len(SECRET) - 3))
