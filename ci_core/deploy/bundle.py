"""The bundle: one deterministic archive with everything a serving process needs, at project-relative paths.

Same files, same bytes: names are sorted, times and owners are zero, modes are fixed, nothing is compressed (a model
hardly shrinks, and compressors differ between versions). Built by the operations, unpacked by targets.

What goes in:

- the folder of the graph as Git sees it (tracked, or new and not ignored), data beside the code included, and the data
  files that DVC keeps there; of a graph in the project's top folder only the Python files beside it;
- the models and files that the graph names, wherever they are in the project;
- the lock file of the serving environment;
- the lowered models that were made for the release, in `.graphship/lowered`.

What stays out: dot-files, ``__pycache__``, editors' left-overs, ``*.dvc`` pointers, readme and changelog files, and the
smoke file. None of them changes what the process does, so none of them may make a new release.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Protocol, cast

from ci_core import _process
from ci_core.errors import BundleDamagedError, BundleFileMissingError, BundleFileRefusedError, NoGraphError
from ci_core.lock_files import LOCK_FILES
from ci_core.types import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ci_core.config.settings import Settings
    from ci_core.types import JsonObject

    ListFiles = Callable[[Path, str], Iterable[str]]
    """Given the project and a folder in it (``.`` for the top), yields project-relative paths with ``/``."""

_UNWANTED_NAME = re.compile(
    r"^\..*|^__pycache__$|~$|\.(pyc|pyo|swp|dvc)$|^(readme|changelog)(\.(md|rst|txt))?$", re.IGNORECASE
)
_BLOCK_BYTES = 1 << 20


class ServedGraph(Protocol):
    """What a bundle and a release need to know of a graph; ``ci_core.serving`` has it as ``GraphSpec``."""

    @property
    def models(self) -> Sequence[str]:
        """Paths of the models the graph loads, relative to the project."""
        ...

    @property
    def files(self) -> Sequence[str]:
        """Paths of other files that steps open, relative to the project."""
        ...

    def to_dict(self) -> JsonObject:
        """Return the resolved graph as JSON data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """One file of a bundle."""

    path: str
    """Relative to the project, with ``/``."""
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltBundle:
    """An archive and what is in it."""

    path: Path
    digest: Digest
    """sha256 of the archive."""
    files: tuple[BundledFile, ...]
    """Sorted by path."""
    lock: str | None = None
    """The lock file among them, when the project has one."""


def git_files(root: Path, folder: str) -> Iterable[str]:
    """Return the files below `folder` that Git tracks or would add; outside any repository, all of them.

    Raises:
        ProgramFailedError: Git refuses, for example because the folder belongs to somebody else.
    """
    if not any((parent / ".git").exists() for parent in (root, *root.parents)):
        return _walk(root, folder)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder]
    return sorted({name for name in _process.run(command, cwd=root, merge_errors=False).output.split("\0") if name})


def build_bundle(
    settings: Settings,
    graph: ServedGraph,
    output_dir: Path,
    *,
    made: Mapping[str, bytes] = MappingProxyType({}),
    list_files: ListFiles = git_files,
) -> BuiltBundle:
    """Write the bundle of `graph` to ``<output_dir>/<sha256>.tar``.

    Args:
        settings: the project; its ``graph`` says which folder holds the code.
        graph: names the models and other files.
        output_dir: made when missing; a finished archive appears in it in one step.
        made: files that the project does not have, made for the release; path in the bundle → content.
        list_files: see :func:`git_files`.

    Raises:
        NoGraphError: the project has no ``graph``.
        BundleFileMissingError: a file that the graph names is not there.
        BundleFileRefusedError: a path leaves the project.
    """
    if settings.graph is None:
        raise NoGraphError(where=settings.locate("graph"))
    root = settings.root.resolve()
    code_folder = PurePosixPath(settings.graph.partition(":")[0]).parent.as_posix()
    lock = next((name for name in _lock_candidates(code_folder) if (root / name).is_file()), None)
    code = _code_files(root, code_folder, list_files)
    named = [name for wanted in (*graph.models, *graph.files) for name in _expand(root, wanted)]
    names = sorted({*code, *named, *([lock] if lock else [])} - {settings.smoke})
    sources: dict[str, Path | bytes] = {name: _checked(root, name, needed_by=settings.graph) for name in names}
    path, digest, files = _write(dict(sorted((sources | dict(made)).items())), output_dir)
    return BuiltBundle(path=path, digest=digest, files=files, lock=lock)


def unpack_bundle(archive: Path, digest: Digest, destination: Path) -> None:
    """Verify `archive` and unpack it to `destination`, which appears complete or not at all.

    Raises:
        BundleDamagedError: the archive's sha256 differs, or it holds something that no bundle of ours holds.
    """
    found = _digest_of(archive)
    if found != digest:
        raise BundleDamagedError(archive=str(archive), reason=f"its digest is `{found}`, expected `{digest}`")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=destination.parent) as scratch:
        unpacked = Path(scratch) / "bundle"
        unpacked.mkdir()
        try:
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    _unpack_member(tar, member, unpacked, archive)
        except tarfile.TarError as error:
            raise BundleDamagedError(archive=str(archive), reason=f"it is not a tar archive ({error})") from error
        unpacked.rename(destination)


def _lock_candidates(code_folder: str) -> Iterator[str]:
    if code_folder != ".":
        yield f"{code_folder}/requirements.txt"
    yield from LOCK_FILES


def _code_files(root: Path, folder: str, list_files: ListFiles) -> Iterator[str]:
    for name in list_files(root, folder):
        beside = PurePosixPath(name).relative_to(folder)
        if name.endswith(".dvc") and folder != "." and not any(part.startswith(".") for part in beside.parts):
            yield from _expand(root, name.removesuffix(".dvc"))
        is_wanted = not any(_UNWANTED_NAME.search(part) for part in beside.parts)
        if folder == ".":
            is_wanted = is_wanted and len(beside.parts) == 1 and name.endswith(".py")
        if is_wanted and os.path.lexists(root / name) and not _is_real_folder(root / name):
            yield name


def _is_real_folder(path: Path) -> bool:
    """Whether Git listed a folder: that is a submodule, whose files are another repository's."""
    return path.is_dir() and not path.is_symlink()


def _expand(root: Path, name: str) -> Iterable[str]:
    """Return `name`, or the files below it when it is a folder."""
    name = PurePosixPath(name).as_posix()
    return _walk(root, name) if (root / name).is_dir() else [name]


def _walk(root: Path, folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(root / folder):
        folders[:] = sorted(name for name in folders if not _UNWANTED_NAME.search(name))
        for name in sorted(files):
            yield (Path(place) / name).relative_to(root).as_posix()


def _checked(root: Path, name: str, *, needed_by: str) -> Path:
    """Return where `name` is, if it is a regular file inside the project."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise BundleFileRefusedError(path=name, reason="is not a path inside the project")
    path = root / name
    if not path.exists():
        raise BundleFileMissingError(path=name, needed_by=needed_by)
    if not path.resolve().is_relative_to(root):
        raise BundleFileRefusedError(path=name, reason="is a link that leaves the project")
    if not path.is_file():
        raise BundleFileRefusedError(path=name, reason="is neither a file nor a folder")
    return path


class _HashingFile:
    """Reads from or writes to a file and hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._sha256.update(data)
        return data

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> Digest:
        return Digest(f"sha256:{self._sha256.hexdigest()}")


def _write(sources: dict[str, Path | bytes], output_dir: Path) -> tuple[Path, Digest, tuple[BundledFile, ...]]:
    output_dir.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.NamedTemporaryFile(prefix=".bundle-", dir=output_dir, delete=False)  # noqa: SIM115 - renamed below
    try:
        with scratch:
            archive = _HashingFile(scratch)
            # A stream ("w|") never seeks back, so the hash of what is written is the hash of the file.
            with tarfile.open(fileobj=cast("IO[bytes]", archive), mode="w|", format=tarfile.PAX_FORMAT) as tar:
                files = tuple(_add(tar, name, source) for name, source in sources.items())
        target = output_dir / f"{archive.digest.removeprefix('sha256:')}.tar"
        Path(scratch.name).replace(target)
    except BaseException:
        Path(scratch.name).unlink(missing_ok=True)
        raise
    return target, archive.digest, files


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> BundledFile:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        member = tarfile.TarInfo(name)
        member.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        member.mode = 0o644
        content = _HashingFile(file)
        tar.addfile(member, cast("IO[bytes]", content))
    return BundledFile(path=name, digest=content.digest, size_bytes=member.size)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, destination: Path, archive: Path) -> None:
    path = PurePosixPath(member.name)
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or path.is_absolute() or ".." in path.parts or not path.parts:
        raise BundleDamagedError(archive=str(archive), reason=f"it holds `{member.name}`, which no bundle holds")
    place = destination / path
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with content, place.open("xb") as file:
            while block := content.read(_BLOCK_BYTES):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise BundleDamagedError(archive=str(archive), reason=f"it holds `{member.name}` twice") from error


def _digest_of(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
