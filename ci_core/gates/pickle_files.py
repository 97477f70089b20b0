"""Look through model files for pickles that would run something when they are loaded. Nothing is loaded.

``pickle_names.py`` names what a pickle imports, and picklescan knows which of that is dangerous. Packed files are
unpacked up to a bound, and archives (PyTorch, NumPy) are looked into; what was not looked through says why.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import logging
import lzma
import posixpath
import re
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

from ci_core.errors import GraphshipError, MissingExtraError
from ci_core.gates.evidence import PickleFinding, PickleScan
from ci_core.gates.pickle_names import UNKNOWN, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    Opener: TypeAlias = "Callable[[str], BinaryIO | None]"
    Unpacker: TypeAlias = "Callable[[BinaryIO], _Readable]"

PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
"""Files of these names are pickles; one that cannot be read as such was not looked through."""
OTHER_SUFFIXES: Final = frozenset({".bin", ".ckpt", ".dat", ".npy", ".npz", ".pt", ".pth", ".zip"})
"""Files of these names may be pickles or hold some."""

MAX_BYTES: Final = 1_000_000_000
"""Of one file, and of what it unpacks to."""
_MOST_ENTRIES: Final = 10_000
_CHUNK: Final = 1 << 20
_PROTOCOLS: Final = tuple(bytes([0x80, version]) for version in range(6))
_NUMPY: Final = b"\x93NUMPY"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_LZ4: Final = b"\x04\x22\x4d\x18"
_PROBE: Final = 16


class _Readable(Protocol):
    """Something that gives its bytes in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class _UnreadableError(Exception):
    """A file was not looked through to its end; the text says why."""


def may_be_pickle(path: str) -> bool:
    """Whether a file of this name is one to look into."""
    return posixpath.splitext(path)[1].lower() in PICKLE_SUFFIXES | OTHER_SUFFIXES


def scan_pickles(paths: Sequence[str], open_file: Opener, *, max_bytes: int = MAX_BYTES) -> PickleScan:
    """Return what the pickles among `paths` would run.

    Args:
        paths: files to look into, each told under this name.
        open_file: opens one for reading bytes, with a place that can be moved; None when it is not there.
        max_bytes: of one file, and of what it unpacks to.

    Raises:
        MissingExtraError: picklescan is not installed.
    """
    scanned: list[str] = []
    findings: list[PickleFinding] = []
    unreadable: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
    for path in paths:
        names: set[str] = set()
        try:
            file = open_file(path)
        except (GraphshipError, OSError) as error:
            missing.append((path, error.fact if isinstance(error, GraphshipError) else str(error.strerror).lower()))
            continue
        if file is None:
            missing.append((path, "it is neither in the work tree nor in the cache"))
            continue
        with file:
            try:
                is_pickle = _Look(names, max_bytes).into(file, path)
            except (_UnreadableError, OSError) as error:
                unreadable.append((path, str(error)))
                is_pickle = True
        if is_pickle:
            scanned.append(path)
        if names:
            findings.append(PickleFinding(path=path, names=tuple(sorted(names))))
    return PickleScan(
        scanned=tuple(scanned), findings=tuple(findings), unreadable=tuple(unreadable), missing=tuple(missing)
    )


class _Look:
    """One look into one file: the dangerous names found so far, and how much may still be unpacked."""

    def __init__(self, names: set[str], max_bytes: int) -> None:
        self._names, self._max, self._left = names, max_bytes, max_bytes

    def into(self, file: BinaryIO, path: str, *, is_inner: bool = False) -> bool:
        """Add the dangerous names of one file; return whether it holds pickles at all."""
        if file.seek(0, io.SEEK_END) > self._max:
            raise self._too_large()
        with contextlib.ExitStack() as stack:
            head = _head(file)
            for signature, unpack in _PACKED:
                if head.startswith(signature) and (unpacked := self._unpacked(file, unpack)):
                    file, head = stack.enter_context(unpacked), _head(unpacked)
                    break
            if head.startswith(_ZIP) and not is_inner:
                return self._into_zip(file)
            if head.startswith(_NUMPY):
                return self._into_array(file)
            if head.startswith(_LZ4):
                raise _UnreadableError("it is packed with LZ4")
            must_be_one = posixpath.splitext(path)[1].lower() in PICKLE_SUFFIXES or head.startswith(_PROTOCOLS)
            return self._into_pickle(file, must_be_one=must_be_one)

    def _into_pickle(self, file: BinaryIO, *, must_be_one: bool) -> bool:
        found = names_in(file)
        self._names |= _dangerous(found.imports)
        if found.problem is not None and (must_be_one or self._names):
            raise _UnreadableError(found.problem)
        return found.problem is None

    def _into_zip(self, file: BinaryIO) -> bool:
        """Look through the pickles and arrays of an archive: PyTorch's and NumPy's are such."""
        has_pickles = False
        try:
            with zipfile.ZipFile(file) as archive:
                if len(archive.filelist) > _MOST_ENTRIES:
                    raise _UnreadableError(f"it is an archive of more than {_MOST_ENTRIES:,} files")
                for entry in archive.filelist:
                    with archive.open(entry) as packed:
                        head = packed.read(_PROBE)
                    if head.startswith((*_PROTOCOLS, _NUMPY)) or entry.filename.endswith(tuple(PICKLE_SUFFIXES)):
                        with archive.open(entry) as packed, self._spooled(packed) as inner:
                            has_pickles |= self.into(inner, entry.filename, is_inner=True)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
            # damaged, with a password, or packed in a way that Python does not know
            raise _UnreadableError(f"it is an archive that cannot be read: {error}") from error
        return has_pickles

    def _into_array(self, file: BinaryIO) -> bool:
        """Look through an array of NumPy's own format; only one of objects holds a pickle, behind its heading."""
        file.seek(0)
        major = file.read(len(_NUMPY) + 2)[-2:-1]
        length = int.from_bytes(file.read(2 if major == b"\x01" else 4), "little")
        heading = file.read(min(length, _CHUNK))
        if not re.search(rb"\\|['\"][|=<>]?O\d*['\"]", heading):
            return False
        with self._spooled(file) as inner:
            return self._into_pickle(inner, must_be_one=True)

    def _unpacked(self, file: BinaryIO, unpack: Unpacker) -> BinaryIO | None:
        """Return a packed file unpacked; None when it only looks like one."""
        file.seek(0)
        try:
            return self._spooled(unpack(file))
        except (OSError, EOFError, lzma.LZMAError, zlib.error):
            return None

    def _spooled(self, source: _Readable) -> BinaryIO:
        """Return what `source` gives as a temporary file, up to the bound of all that is unpacked of one file."""
        target = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        try:
            while chunk := source.read(min(_CHUNK, self._left + 1)):
                self._left -= len(chunk)
                if self._left < 0:
                    raise self._too_large(" unpacked")
                target.write(chunk)
        except BaseException:
            target.close()
            raise
        target.seek(0)
        return target

    def _too_large(self, how: str = "") -> _UnreadableError:
        return _UnreadableError(f"it is larger than {self._max:,} bytes{how}")


def _dangerous(imports: set[tuple[str, str]]) -> set[str]:
    """Return those names that picklescan calls dangerous, each asked by a pickle that imports it alone."""
    try:
        from picklescan import scanner
    except ImportError as error:
        raise MissingExtraError(extra="ci", module="picklescan") from error
    logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # it logs each finding, which the gate tells
    found = set()
    for module, name in imports:
        asked = b"".join(b"c" + f"{one}\n{other}\n".encode("utf-8", "replace") for one, other in _ways(module, name))
        if scanner.scan_pickle_bytes(io.BytesIO(asked + b"."), "").issues_count:
            found.add("a name that is computed" if (module, name) == UNKNOWN else f"{module}.{name}")
    return found


def _ways(module: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield an import, and what it reaches through a module that imports another: ``sklearn.utils`` ``os.system``."""
    yield module, name
    parts = name.split(".")
    for place in range(1, len(parts)):
        yield ".".join(parts[:place]), ".".join(parts[place:])
        yield ".".join((module, *parts[:place])), ".".join(parts[place:])


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(_PROBE)
    file.seek(0)
    return head


class _ZlibReader:
    """Reads what joblib packs with zlib, which has no file object of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._chunks = self._unpacked(file)
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer do not mean that there are no more."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        count = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:count], self._rest[count:]
        return piece

    @staticmethod
    def _unpacked(file: BinaryIO) -> Iterator[bytes]:
        machine = zlib.decompressobj()
        rest = b""
        while not machine.eof and (packed := rest or file.read(_CHUNK)):
            piece = machine.decompress(packed, _CHUNK)
            rest = machine.unconsumed_tail
            if piece:
                yield piece
        if not machine.eof:
            raise zlib.error("cut off")


_PACKED: Final[tuple[tuple[bytes, Unpacker], ...]] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ", lzma.LZMAFile),
    (b"\x5d\x00", lzma.LZMAFile),
    (b"x\x01", _ZlibReader),
    (b"x\x5e", _ZlibReader),
    (b"x\x9c", _ZlibReader),
    (b"x\xda", _ZlibReader),
)
"""How joblib packs, by the first bytes."""
