"""Digests, lists and links that lead out of a project open nothing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from ci_core.testing.projects import make_project
from ci_core.types import CommitId
from ci_core.versioning.dvc import DvcProject
from tests.e2e.operations.data_project import tables, with_new_raw_data

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_a_list_of_a_folder_with_names_that_lead_out_is_told_and_nothing_is_opened(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write("data/parts/a.csv", "x,y\n1,2\n")
    DvcProject(project.root).add(["data/parts"])
    base = CommitId(project.commit())
    secret = hashlib.md5(b"secret", usedforsecurity=False).hexdigest()
    listed = json.dumps([{"md5": secret, "relpath": "../../../../etc/passwd.csv"}])
    oid = hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest()
    place = project.root / ".dvc/cache/files/md5" / oid[:2] / f"{oid[2:]}.dir"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(listed)
    pointer = (project.root / "data/parts.dvc").read_text()
    old = next(line.split()[-1] for line in pointer.splitlines() if "md5:" in line)
    project.write("data/parts.dvc", pointer.replace(old, f"{oid}.dir"))
    head = CommitId(project.commit())

    (table,) = tables(project, base, head)

    assert table.problem is not None
    assert "head's version is in neither the cache nor the remote" in table.problem


def test_a_digest_that_is_a_path_is_refused(tmp_path: Path) -> None:
    project, base, _ = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    pointer = (project.root / "data/raw.csv.dvc").read_text()
    old = next(line.split()[-1] for line in pointer.splitlines() if "md5:" in line)
    project.write("data/raw.csv.dvc", pointer.replace(old, "../../../../../etc/passwd"))
    head = CommitId(project.commit())

    (table,) = tables(project, base, head)

    assert table.problem == "head's version has no digest that DVC could have given"


def test_a_link_in_the_cache_that_leads_out_of_it_is_not_followed(tmp_path: Path) -> None:
    project, base, head = with_new_raw_data(tmp_path, "x,y\n1,2\n")
    outside = tmp_path / "outside.csv"
    outside.write_text("password\nsecret\n")
    digest = hashlib.md5(b"x,y\n1,2\n", usedforsecurity=False).hexdigest()
    place = project.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    place.unlink()
    place.symlink_to(outside)

    (table,) = tables(project, base, head)

    assert table.problem is not None
    assert "secret" not in str(table)


def test_a_link_of_the_work_tree_that_leads_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    outside = tmp_path / "outside.csv"
    outside.write_text("password\nsecret\n")
    (project.root / "data/raw.csv").unlink()
    (project.root / "data/raw.csv").symlink_to(outside)

    (table,) = tables(project, CommitId(project.head()), None)

    assert table.problem is not None
    assert "secret" not in str(table)
