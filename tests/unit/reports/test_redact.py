from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.redact import SHAPES_ONLY, Redactor
from ci_core.reports.render import (
    render_deployments_page,
    render_html,
    render_issue,
    render_junit,
    render_markdown,
    render_terminal,
)
from ci_core.reports.report import Gate, Note
from ci_core.testing.sample_reports import sample_deployments, sample_failed_report, sample_monitoring, sample_report

TOKEN = "ghp_" + "a1B2" * 9
SECRET = "corr&ct horse/battery"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        "github_pat_" + "A1b2" * 10,
        "glpat-" + "x9-Z" * 5,
        "AKIA" + "ABCD1234EFGH5678",
        "aws_secret_access_key = " + "k" * 40,
        "https://user:pass@host/repo.git",
        "Authorization: Bearer abc.def",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "hf_" + "Q" * 34,
    ],
)
def test_well_known_token_shapes_are_masked(text: str) -> None:
    masked = SHAPES_ONLY.text(f"before {text} after")

    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    for part in (TOKEN, "user:pass", "abc.def", "MIIE", "k" * 40, "ABCD1234EFGH5678"):
        assert part not in masked


def test_host_of_an_address_with_a_password_stays() -> None:
    assert SHAPES_ONLY.text("https://user:pass@host/repo.git") == "https://***@host/repo.git"


@pytest.mark.parametrize("text", ["https://host/a@b", "main", "0.7631", "auc: 0.7 @ epoch 3", "data/train.parquet"])
def test_harmless_text_is_left_alone(text: str) -> None:
    assert SHAPES_ONLY.text(text) == text


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        "corr%26ct%20horse%2Fbattery",
        "corr&amp;ct horse/battery",
        "corr&ct hor\nse/battery",
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_known_values_are_masked_in_every_spelling(spelling: str) -> None:
    masked = Redactor([SECRET]).text(f"x {spelling} y")

    assert "battery" not in masked
    assert masked.startswith("x ***")


@given(prefix=st.binary(max_size=9), secret=st.binary(min_size=12, max_size=30), suffix=st.binary(max_size=9))
def test_base64_of_a_known_value_inside_other_bytes_is_masked(prefix: bytes, secret: bytes, suffix: bytes) -> None:
    text = "pw-" + secret.hex()

    encoded = base64.b64encode(prefix + text.encode() + suffix).decode()

    assert "***" in Redactor([text]).text(encoded)


def test_texts_inside_a_json_secret_are_secret_too() -> None:
    secret = json.dumps({"user": "svc-account", "auth": ["s3cret-in-json"]})

    assert Redactor([secret]).text("got s3cret-in-json") == "got ***"


def test_lines_of_a_secret_of_several_lines_are_secret_too() -> None:
    assert Redactor(["first-line\nsecond-line"]).text("log: second-line") == "log: ***"


def test_short_values_do_not_mask_ordinary_words() -> None:
    assert Redactor(["main", ""]).text("the main branch") == "the main branch"


@given(st.text(max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    redactor = Redactor([SECRET, TOKEN])

    assert redactor.text(redactor.text(text)) == redactor.text(text)


def test_every_rendering_masks_tokens_and_known_values() -> None:
    note = Note(kind="warning", text=f"`{TOKEN}` and {SECRET}")
    gate = Gate(key=SECRET, state="fail", sentence=f"{TOKEN} {SECRET}")
    failed = sample_failed_report()
    assert failed.pipeline is not None
    assert failed.pipeline.failure is not None
    failure = failed.pipeline.failure.model_copy(update={"tail": f"export T={TOKEN}\nP={SECRET}"})
    pipeline = failed.pipeline.model_copy(update={"failure": failure})
    report = failed.model_copy(update={"notes": (note,), "gates": (gate,), "pipeline": pipeline})
    monitoring = sample_monitoring().model_copy(update={"reasons": (f"{TOKEN} {SECRET}",)})
    deployments = sample_deployments()
    rows = (deployments.rows[0].model_copy(update={"reason": f"{TOKEN} {SECRET}"}),)
    redactor = Redactor([SECRET])

    pages = [
        render_markdown(report, redactor=redactor),
        render_html(report, redactor=redactor),
        render_terminal(report, redactor=redactor),
        render_junit(report, redactor=redactor),
        redactor.model(report).to_json(),
        render_issue(monitoring, redactor=redactor),
        render_deployments_page(deployments.model_copy(update={"rows": rows}), redactor=redactor),
    ]

    for page in pages:
        assert "***" in page
        assert TOKEN not in page
        assert "battery" not in page


def test_a_report_without_secrets_is_not_changed_by_masking() -> None:
    assert Redactor([SECRET]).model(sample_report()) == sample_report()
