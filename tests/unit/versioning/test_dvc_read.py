"""Files of the work tree are hashed once, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ci_core.versioning._dvc_read import Hashes


@dataclass(kw_only=True)
class FakeFile:
    """An output or a dependency as DVC has it, of a folder that holds two files."""

    hash_info: str
    fs_path: str = "/project/data"
    hash_name: str = "md5"
    protocol: str = "local"
    asked: list[str] = field(default_factory=list)

    def _get_hash_meta(self) -> tuple[int, str]:
        self.asked.append(self.fs_path)
        return 2, "now.dir"


def test_a_folder_that_one_stage_makes_and_the_next_one_needs_is_hashed_once() -> None:
    hashes, output, dependency = Hashes(), FakeFile(hash_info="now.dir"), FakeFile(hash_info="before.dir")

    changed = hashes.is_changed(output), hashes.is_changed(dependency), hashes.is_changed(output)

    assert changed == (False, True, False)
    assert hashes.meta_and_hash(dependency) == (2, "now.dir")
    assert (output.asked, dependency.asked) == (["/project/data"], [])


def test_a_file_is_hashed_for_each_kind_of_hash() -> None:
    hashes = Hashes()
    files = [FakeFile(hash_info="now.dir", hash_name=name) for name in ("md5", "md5-dos2unix")]

    assert [hashes.is_changed(file) for file in files] == [False, False]
    assert [file.asked for file in files] == [["/project/data"]] * 2
