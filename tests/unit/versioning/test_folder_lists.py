"""Lists of DVC's folders, read a part at a time and compared side by side."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_core.versioning.difference import FolderDiff
from ci_core.versioning.folder_lists import UnreadableListError, entries, folder_difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _oid(content: str) -> str:
    return hashlib.md5(content.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _write(path: Path, files: Mapping[str, str]) -> Path:
    listed = [{"md5": _oid(content), "relpath": name} for name, content in sorted(files.items())]
    path.write_text(json.dumps(listed, sort_keys=True))
    return path


def _differing(folder: Path, old: Mapping[str, str], new: Mapping[str, str]) -> FolderDiff:
    return folder_difference(_write(folder / "old.dir", old), _write(folder / "new.dir", new))


def test_added_removed_changed_and_renamed_files_are_counted_and_named(tmp_path: Path) -> None:
    old = {"same.csv": "1", "edited.csv": "2", "gone.csv": "3", "was.csv": "4"}
    new = {"same.csv": "1", "edited.csv": "5", "is.csv": "4", "new.csv": "6"}

    found = folder_difference(_write(tmp_path / "a", old), _write(tmp_path / "b", new), old_bytes=40, new_bytes=50)

    assert found == FolderDiff(
        added=1, removed=1, changed=1, renamed=1, old_bytes=40, new_bytes=50,
        examples=("- gone.csv", "~ edited.csv", "was.csv → is.csv", "+ new.csv"),
    )  # fmt: skip


def test_at_most_ten_examples_are_named_in_equal_parts_of_each_kind(tmp_path: Path) -> None:
    old = {f"a{place:02}": f"gone {place}" for place in range(20)}
    new = {f"b{place:02}": f"came {place}" for place in range(20)}

    found = _differing(tmp_path, old, new)

    assert (found.removed, found.added) == (20, 20)
    assert found.examples == (*(f"- a{place:02}" for place in range(5)), *(f"+ b{place:02}" for place in range(5)))


def test_of_equal_files_as_many_were_renamed_as_went_and_came(tmp_path: Path) -> None:
    old = {"a": "empty", "b": "empty", "c": "empty"}
    new = {"x": "empty", "y": "empty"}

    found = _differing(tmp_path, old, new)

    assert (found.renamed, found.removed, found.added) == (2, 1, 0)
    assert found.examples == ("- c", "a → x", "b → y")


def test_a_list_of_many_parts_is_read_whole(tmp_path: Path) -> None:
    files = {f"folder with a long name/{place:06}.png": str(place) for place in range(40_000)}

    found = list(entries(_write(tmp_path / "list.dir", files)))

    assert (tmp_path / "list.dir").stat().st_size > 3_000_000
    assert found == [(name, _oid(content)) for name, content in files.items()]


_names = st.text(st.sampled_from('a}{", \\]:é\n\udc80'), min_size=1, max_size=8)
_files = st.dictionaries(_names, st.sampled_from("123"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_files, _files)
def test_counts_agree_with_sets_of_names_whatever_the_names(
    tmp_path: Path, old: dict[str, str], new: dict[str, str]
) -> None:
    found = _differing(tmp_path, old, new)

    assert found.changed == sum(old[name] != new[name] for name in old.keys() & new.keys())
    assert found.added + found.renamed == len(new.keys() - old.keys())
    assert found.removed + found.renamed == len(old.keys() - new.keys())
    back = _differing(tmp_path, new, old)
    assert (back.added, back.removed, back.changed, back.renamed) == (
        found.removed, found.added, found.changed, found.renamed,
    )  # fmt: skip


def test_a_list_that_is_not_sorted_or_holds_sizes_is_read_too(tmp_path: Path) -> None:
    old = _write(tmp_path / "old.dir", {"a": "1", "b": "2"})
    new = tmp_path / "new.dir"
    new.write_text(
        json.dumps([{"md5": _oid("2"), "relpath": "b", "size": 3}, {"md5": _oid("1"), "relpath": "a", "size": 3}])
    )

    assert folder_difference(old, new) == FolderDiff()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"md5": 1}', "its list of files is no list"),
        ("", "its list of files is no list"),
        ('[{"md5": "', "its list of files is cut short or damaged"),
        ("[" * 100_000, "its list of files is cut short or damaged"),
        ('[{"relpath": "a"}]', "its list of files has an entry without a path or an md5"),
        ('[{"relpath": "a", "md5": "../../etc/passwd"}]', "its list of files has an entry without a path or an md5"),
        ('[{"relpath": 3, "md5": "d41d8cd98f00b204e9800998ecf8427e"}]', "its list of files has an entry without"),
        ("[1]", "its list of files has an entry without a path or an md5"),
    ],
)
def test_a_damaged_list_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "list.dir"
    path.write_text(text)

    with pytest.raises(UnreadableListError, match=reason):
        list(entries(path))
