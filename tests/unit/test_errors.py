"""What all errors have in common: they tell the same in a traceback as on the command line."""

from __future__ import annotations

import traceback

import pytest

from ci_core.errors import GraphshipError, how_to_install, nearest


def failing() -> GraphshipError:
    return GraphshipError(
        "step `score` leads to `calibrate`, which the graph does not define",
        where="serving/graph.yaml:14",
        known=["defined steps: `clean`, `calibrated`"],
        hint="rename it to `calibrated`",
    )


def test_a_traceback_shows_the_place_and_the_hint_once() -> None:
    lines = traceback.format_exception_only(failing())

    assert "".join(lines) == (
        "ci_core.errors.GraphshipError: step `score` leads to `calibrate`, which the graph does not define\n"
        "  --> serving/graph.yaml:14\n"
        "  defined steps: `clean`, `calibrated`\n"
        "hint: rename it to `calibrated`\n"
    )


def test_an_error_with_nothing_beside_its_fact_has_no_notes() -> None:
    assert traceback.format_exception_only(GraphshipError("no")) == ["ci_core.errors.GraphshipError: no\n"]


def test_a_place_learned_later_is_told_before_the_hint() -> None:
    error = GraphshipError("no", hint="yes")

    error.found_at("serving/graph.py:3")

    assert error.where == ("serving/graph.py:3",)
    assert error.__notes__ == ["  --> serving/graph.py:3", "hint: yes"]


def test_a_place_that_is_known_already_stays() -> None:
    error = failing()

    error.found_at("elsewhere.py:1")

    assert error.where == ("serving/graph.yaml:14",)
    assert "  --> elsewhere.py:1" not in error.__notes__


@pytest.mark.parametrize(
    ("name", "candidates", "meant"),
    [
        ("impute", ["Drop", "Impute"], "Impute"),
        ("Imputer", ["Drop", "Impute"], "Impute"),
        ("retry", ["retry_wait", "retries", "timeout"], "retries"),
        ("zzz", ["retry_wait", "retries"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(name: str, candidates: list[str], meant: str | None) -> None:
    assert nearest(name, candidates) == meant


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        ({}, "pip install 'graphship[onnx]'"),
        ({"url": "file:///src/graphship", "dir_info": {}}, "pip install '/src/graphship[onnx]'"),
        ({"url": "file:///my%20src/g", "dir_info": {"editable": True}}, "pip install -e '/my src/g[onnx]'"),
        (
            {"url": "https://git.example/g.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "pip install 'graphship[onnx] @ git+https://git.example/g.git@ab12'",
        ),
        (
            {"url": "file:///tmp/graphship-1.whl", "archive_info": {}},
            "pip install 'graphship[onnx] @ file:///tmp/graphship-1.whl'",
        ),
        (None, 'install graphship again with its extra `onnx`, as its README says under "Use it on your project"'),
    ],
)
def test_an_extra_is_installed_from_where_graphship_came(direct_url: dict[str, object] | None, expected: str) -> None:
    assert how_to_install("onnx", direct_url) == expected
