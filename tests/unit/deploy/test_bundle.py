from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from ci_core.config.settings import CaptureSettings, Settings
from ci_core.deploy.bundle import build_bundle, unpack_bundle
from ci_core.deploy.release import build_release, resolve
from ci_core.deploy.spec import Release
from ci_core.errors import BundleDamagedError, BundleFileMissingError, BundleFileRefusedError, NoGraphError
from ci_core.lock_files import LOCK_FILES
from ci_core.testing.local_releases import SmallGraph
from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci_core.deploy.bundle import BuiltBundle


def listed(root: Path, folder: str) -> Iterable[str]:
    """Every file, as Git would list a folder without ignored files; in no useful order."""
    return sorted(
        (path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if not path.is_dir()), reverse=True
    )


def make_project(root: Path) -> Settings:
    files = {
        "serving/graph.py": "graph = ...",
        "serving/tables/airports.csv": "code\nJFK\n",
        "serving/requests.jsonl": "{}\n",
        "serving/README.md": "how to serve\n",
        "serving/notes.py~": "left over",
        "serving/.secret": "hidden",
        "serving/__pycache__/graph.pyc": "compiled",
        "models/late.onnx": "weights",
        "data/train.parquet": "rows",
        "docs/index.md": "docs",
        "requirements.txt": "numpy==2.0\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Settings(root=root, name="flights", graph="serving/graph.py:graph", smoke="serving/requests.jsonl")


def names(bundle: BuiltBundle) -> list[str]:
    with tarfile.open(bundle.path) as tar:
        return tar.getnames()


GRAPH = SmallGraph(label="late", models=("models/late.onnx",))


def test_a_bundle_holds_code_data_beside_it_models_and_the_lock_file(tmp_path: Path) -> None:
    settings = make_project(tmp_path / "project")

    bundle = build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)

    expected = ["models/late.onnx", "requirements.txt", "serving/graph.py", "serving/tables/airports.csv"]
    assert names(bundle) == expected
    assert [file.path for file in bundle.files] == expected
    assert bundle.lock == "requirements.txt"
    assert bundle.digest == f"sha256:{hashlib.sha256(bundle.path.read_bytes()).hexdigest()}"


def test_two_paths_two_times_and_two_modes_give_the_same_bytes(tmp_path: Path) -> None:
    here, there = make_project(tmp_path / "here"), make_project(tmp_path / "else where" / "thère")
    os.utime(there.root / "serving/graph.py", (1, 1))
    (there.root / "serving/graph.py").chmod(0o755)

    one = build_bundle(here, GRAPH, tmp_path / "out1", list_files=listed)
    two = build_bundle(there, GRAPH, tmp_path / "out2", list_files=lambda root, folder: [*listed(root, folder)][::-1])

    assert one.path.read_bytes() == two.path.read_bytes()
    assert resolve(here, GRAPH, one).id == resolve(there, GRAPH, two).id


@pytest.mark.parametrize(
    "touched", ["docs/index.md", "serving/README.md", "serving/requests.jsonl", "data/train.parquet"]
)
def test_what_no_server_reads_does_not_make_a_new_release(tmp_path: Path, touched: str) -> None:
    settings = make_project(tmp_path / "project")
    before = build_release(settings, tmp_path / "out", load=lambda _reference, _root: GRAPH, list_files=listed)

    (settings.root / touched).write_text("changed")
    after = build_release(settings, tmp_path / "out", load=lambda _reference, _root: GRAPH, list_files=listed)

    assert before == after


@pytest.mark.parametrize(
    "touched", ["serving/graph.py", "serving/tables/airports.csv", "models/late.onnx", "requirements.txt"]
)
def test_what_a_server_reads_makes_a_new_release(tmp_path: Path, touched: str) -> None:
    settings = make_project(tmp_path / "project")
    before = build_release(settings, tmp_path / "out", load=lambda _reference, _root: GRAPH, list_files=listed)

    (settings.root / touched).write_text("changed")
    after = build_release(settings, tmp_path / "out", load=lambda _reference, _root: GRAPH, list_files=listed)

    assert before.release.id != after.release.id


def test_a_release_knows_its_models_lock_and_settings(tmp_path: Path) -> None:
    settings = make_project(tmp_path / "project")

    built = build_release(settings, tmp_path / "out", load=lambda _reference, _root: GRAPH, list_files=listed)

    [model] = built.release.models
    assert model.path == "models/late.onnx"
    # printf weights | sha256sum
    assert model.digest == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    assert model.size_bytes == 7
    assert built.release.lock == f"sha256:{hashlib.sha256(b'numpy==2.0' + bytes([10])).hexdigest()}"
    assert built.release.settings == {
        "capture": {"to": CaptureSettings().to, "sample": 1.0, "time-column": None},
    }
    assert Release.from_dict(built.release.to_dict()) == built.release


def test_the_lock_file_beside_the_graph_comes_first(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "serving/requirements.txt").write_text("numpy==2.1\n")

    bundle = build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)

    assert bundle.lock == "serving/requirements.txt"
    assert "requirements.txt" not in names(bundle)


@pytest.mark.parametrize("file", LOCK_FILES)
def test_every_kind_of_lock_file_is_taken(tmp_path: Path, file: str) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "requirements.txt").rename(tmp_path / file)

    bundle = build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)

    assert bundle.lock == file
    assert file in names(bundle)


def test_data_that_dvc_keeps_beside_the_code_is_taken_without_its_pointer(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "serving/lookup.csv.dvc").write_text("outs: []")
    (tmp_path / "serving/lookup.csv").write_text("kept by dvc, ignored by git")

    bundle = build_bundle(
        settings,
        GRAPH,
        tmp_path / "out",
        list_files=lambda _root, _folder: ["serving/graph.py", "serving/lookup.csv.dvc"],
    )

    assert names(bundle) == ["models/late.onnx", "requirements.txt", "serving/graph.py", "serving/lookup.csv"]


def test_of_a_graph_in_the_top_folder_only_the_code_beside_it_is_taken(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "graph.py").write_text("graph = ...")

    bundle = build_bundle(
        Settings(root=tmp_path, name="flights", graph="graph.py:graph"), GRAPH, tmp_path / "out", list_files=listed
    )

    assert settings.root == tmp_path
    assert names(bundle) == ["graph.py", "models/late.onnx", "requirements.txt"]


def test_a_bundle_holds_the_files_that_the_graph_names_wherever_they_are(tmp_path: Path) -> None:
    settings = make_project(tmp_path)

    bundle = build_bundle(
        settings, SmallGraph(label="x", files=("data/train.parquet",)), tmp_path / "out", list_files=listed
    )

    assert names(bundle) == [
        "data/train.parquet",
        "requirements.txt",
        "serving/graph.py",
        "serving/tables/airports.csv",
    ]


def test_a_model_can_be_a_folder(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    for name in ("b.bin", "a.json"):
        (tmp_path / "models/big").mkdir(exist_ok=True)
        (tmp_path / "models/big" / name).write_text(name)
    graph = SmallGraph(label="big", models=("models/big",))

    bundle = build_bundle(settings, graph, tmp_path / "out", list_files=listed)

    [model] = resolve(settings, graph, bundle).models
    assert (model.path, model.size_bytes) == ("models/big", 11)
    assert names(bundle)[:2] == ["models/big/a.json", "models/big/b.bin"]


def test_a_missing_model_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "models/late.onnx").unlink()

    with pytest.raises(BundleFileMissingError, match=r"`models/late\.onnx`") as caught:
        build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)

    assert caught.value.hint == "dvc pull models/late.onnx"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["../elsewhere.onnx", "/etc/hostname", "models/../../x"])
def test_a_path_that_leaves_the_project_is_refused(tmp_path: Path, path: str) -> None:
    settings = make_project(tmp_path / "project")

    with pytest.raises(BundleFileRefusedError, match="is not a path inside the project"):
        build_bundle(settings, SmallGraph(label="x", files=(path,)), tmp_path / "out", list_files=listed)


@pytest.mark.parametrize("link", ["serving/passwords", "models/late.onnx"])
def test_a_link_that_leaves_the_project_is_refused(tmp_path: Path, link: str) -> None:
    settings = make_project(tmp_path / "project")
    (tmp_path / "outside").write_text("secret")
    (settings.root / link).unlink(missing_ok=True)
    (settings.root / link).symlink_to(tmp_path / "outside")

    with pytest.raises(BundleFileRefusedError, match="leaves the project"):
        build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)


def test_a_link_inside_the_project_ships_what_it_points_to(tmp_path: Path) -> None:
    settings = make_project(tmp_path)
    (tmp_path / "models/late.onnx").unlink()
    (tmp_path / "models/late.onnx").symlink_to(tmp_path / "data/train.parquet")

    bundle = build_bundle(settings, GRAPH, tmp_path / "out", list_files=listed)

    unpack_bundle(bundle.path, bundle.digest, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/models/late.onnx").read_text() == "rows"
    assert not (tmp_path / "unpacked/models/late.onnx").is_symlink()


def test_a_project_without_a_graph_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoGraphError):
        build_release(Settings(root=tmp_path, name="x"), tmp_path / "out", list_files=listed)


def test_unpacking_gives_the_files_back(tmp_path: Path) -> None:
    bundle = build_bundle(make_project(tmp_path / "project"), GRAPH, tmp_path / "out", list_files=listed)

    unpack_bundle(bundle.path, bundle.digest, tmp_path / "there" / "bundle")

    assert (tmp_path / "there/bundle/serving/graph.py").read_text() == "graph = ..."
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["bundle"]


def test_an_archive_with_another_digest_is_not_unpacked(tmp_path: Path) -> None:
    bundle = build_bundle(make_project(tmp_path / "project"), GRAPH, tmp_path / "out", list_files=listed)

    with pytest.raises(BundleDamagedError, match="expected `sha256:00`"):
        unpack_bundle(bundle.path, Digest("sha256:00"), tmp_path / "there" / "bundle")

    assert not (tmp_path / "there").exists()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("../escape")],
        [member("/absolute")],
        [member("link", tarfile.SYMTYPE, "/etc/passwd")],
        [member("hard", tarfile.LNKTYPE, "other")],
        [member("device", tarfile.CHRTYPE)],
        [member("pipe", tarfile.FIFOTYPE)],
        [member("folder", tarfile.DIRTYPE)],
        [member("twice"), member("twice")],
    ],
    ids=lambda members: members[0].name,
)
def test_an_archive_with_an_odd_member_leaves_nothing(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    archive = tmp_path / "odd.tar"
    with tarfile.open(archive, "w") as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(b""))
    digest = Digest(f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}")

    with pytest.raises(BundleDamagedError):
        unpack_bundle(archive, digest, tmp_path / "there" / "bundle")

    assert list((tmp_path / "there").iterdir()) == []
    assert not (tmp_path / "escape").exists()


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "text.tar"
    archive.write_text("no archive at all")
    digest = Digest(f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}")

    with pytest.raises(BundleDamagedError, match="not a tar archive"):
        unpack_bundle(archive, digest, tmp_path / "there")
