from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.testing.golden import assert_golden

if TYPE_CHECKING:
    from pathlib import Path


def test_equal_text_passes_whatever_its_final_newlines(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("one\ntwo\n")

    assert_golden(tmp_path / "page.txt", "one\ntwo", env={})
    assert_golden(tmp_path / "page.txt", "one\ntwo\n\n", env={})


def test_different_text_fails_with_the_difference_and_the_way_to_accept_it(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("one\n")

    with pytest.raises(AssertionError, match=r"(?s)-one.*\+two.*GRAPHSHIP_UPDATE_GOLDEN=1"):
        assert_golden(tmp_path / "page.txt", "two", env={})


def test_an_absent_file_fails_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="set GRAPHSHIP_UPDATE_GOLDEN=1"):
        assert_golden(tmp_path / "page.txt", "one", env={})

    assert not (tmp_path / "page.txt").exists()


def test_the_variable_rewrites_the_file_and_makes_its_folder(tmp_path: Path) -> None:
    assert_golden(tmp_path / "new" / "page.txt", "höhe", env={"GRAPHSHIP_UPDATE_GOLDEN": "1"})

    assert (tmp_path / "new" / "page.txt").read_bytes() == "höhe\n".encode()
