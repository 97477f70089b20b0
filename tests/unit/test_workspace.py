from pathlib import Path

import pytest

from ci_core.errors import FileNotWritableError
from ci_core.workspace import workspace_folder


def test_a_folder_is_made_where_git_does_not_look(tmp_path: Path) -> None:
    folder = workspace_folder(tmp_path, "report", "plots")

    assert folder == tmp_path / ".graphship" / "report" / "plots"
    assert folder.is_dir()
    assert (tmp_path / ".graphship" / ".gitignore").read_text() == "*\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".graphship").write_text("a file")

    with pytest.raises(FileNotWritableError) as caught:
        workspace_folder(tmp_path, "report")

    assert caught.value.where == (str(tmp_path / ".graphship" / "report"),)
