from __future__ import annotations

import base64
import json
import time

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
    render_summary,
    render_terminal,
)
from ci_core.reports.report import Gate, MetricRow, Note, ParamRow, Report
from ci_core.testing.hostile_text import text_fields, with_texts
from ci_core.testing.sample_monitoring import sample_deployments, sample_monitoring
from ci_core.testing.sample_reports import sample_failed_report, sample_report

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


def test_blanks_inside_of_a_value_may_be_any_blanks() -> None:
    assert Redactor(["correct horse battery"]).text("a correct\n   horse battery b") == "a *** b"


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


def test_a_number_that_is_a_secret_is_masked_and_others_stay_numbers() -> None:
    pin = ParamRow(key="params.yaml:pin", old=1, new=12345678)
    limit = Gate(key="m.json:auc", state="pass", old=0.5, new=True)
    report = sample_report().model_copy(update={"params": (pin,), "gates": (limit,)})

    masked = Redactor(["12345678"]).model(report)

    assert (masked.params[0].old, masked.params[0].new) == (1, "***")
    assert masked.gates == (limit,)
    assert "12345678" not in masked.to_json()


def test_a_report_without_secrets_is_not_changed_by_masking() -> None:
    assert Redactor([SECRET]).model(sample_report()) == sample_report()


KEPT = {"Link.url", "Commit.url", "Run.url", "GraphNode.id", "GraphEdge.source", "GraphEdge.target", "Stage.name"}
"""Addresses, which are quoted, and what ties parts of a report together; they have tests of their own below."""
SPELLINGS = {
    "a token": f"x {TOKEN} y",
    "a value": f"x {SECRET} y",
    "over two lines": "x corr&ct hor\n  se/battery y",
    "base64": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "JSON": json.dumps({"password": SECRET}),
    "an address": "https://me:hunter2-horse@host/repo",
}
PARTS = (TOKEN, "battery", "se/batt", "hunter2", base64.b64encode(SECRET.encode()).decode()[4:20])


def renderings(report: Report, redactor: Redactor) -> list[str]:
    """Return everything that leaves us; the plain texts are not wrapped at such a width."""
    return [
        render_markdown(report, redactor=redactor),
        render_summary(report, redactor=redactor),
        render_html(report, redactor=redactor),
        render_terminal(report, width=2_000, redactor=redactor),
        render_junit(report, redactor=redactor),
        redactor.model(report).to_json(),
    ]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_in_every_text_of_a_report_is_in_no_rendering(spelling: str) -> None:
    sample = sample_report().model_copy(update={"pipeline": sample_failed_report().pipeline, "plots": ()})
    report = with_texts(sample, lambda field, held: held if field in KEPT else SPELLINGS[spelling])

    for page in renderings(report, Redactor([SECRET])):
        assert "***" in page
        assert [part for part in PARTS if part in page] == []


@pytest.mark.parametrize("field", sorted(text_fields(Report)))
def test_a_secret_in_one_text_of_a_report_is_not_in_its_data(field: str) -> None:
    secret = f"{TOKEN} {SECRET}"
    report = with_texts(sample_report(), lambda name, held: secret if name == field else held)

    data = Redactor([SECRET]).model(report).to_json()

    assert TOKEN not in data
    assert "battery" not in data


def test_a_value_that_is_broken_over_two_cells_is_masked_in_both() -> None:
    report = sample_report().model_copy(
        update={
            "metrics": (MetricRow(key="corr&ct hor", old="se/battery", note="after"),),
            "params": (ParamRow(key="a", old="b corr&ct ", new="horse/battery c"),),
            "notes": (Note(text="before corr&ct"), Note(text="horse/battery")),
        }
    )

    masked = Redactor([SECRET]).model(report)

    assert masked.metrics == (MetricRow(key="***", old="***", note="after"),)
    assert masked.params == (ParamRow(key="a", old="b ***", new="*** c"),)
    assert [note.text for note in masked.notes] == ["before ***", "***"]


@given(st.lists(st.text(alphabet="ab \n", max_size=8), max_size=6), st.text(alphabet="ab", min_size=12, max_size=14))
def test_neighbours_are_masked_as_the_text_that_they_make(texts: list[str], secret: str) -> None:
    halves = [*texts, f"x{secret[:5]}", f"{secret[5:]}y", *texts]

    masked = Redactor([secret]).texts(halves)

    assert len(masked) == len(halves)
    assert "".join(secret) not in "".join("".join(masked).split())


def test_texts_without_a_secret_are_returned_as_they_are() -> None:
    assert Redactor([SECRET]).texts(["", "a", "", "b\nc", ""]) == ["", "a", "", "b\nc", ""]


@pytest.mark.parametrize(
    "unit",
    [
        "eyJ-",
        "-eyJ",
        "eyJaaaaaaaa.eyJ",
        "glpat-",
        "aws_secret_access_key ",
        "authorization: bearer",
        "-----BEGIN ",
        "-----BEGIN A PRIVATE KEY-----",
        "-----END ",
        "://a:",
        "://a:b",
        "corr&ct ",
        "corr&ct\n\n",
        "xoxb-",
        "ghp_",
        "one two ",
    ],
)
def test_time_to_mask_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    redactor = Redactor([SECRET, "one two  three   four"])

    def cost(size: int) -> float:
        text = unit * (size // len(unit)) + " " * (size // 4) + "://"
        times = []
        for _ in range(3):
            begin = time.process_time()
            redactor.text(text)
            times.append(time.process_time() - begin)
        return min(times)

    # Eight times the text: about 8 when linear, 64 when quadratic. The floor is for clocks that tick slowly.
    assert cost(160_000) < 30 * max(cost(20_000), 0.001)
