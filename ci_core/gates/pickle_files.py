"""Look through model files for pickles that would run something when they are loaded. Nothing is loaded.

``pickle_names.py`` names what a pickle imports, and picklescan knows which of that is dangerous. Packed files are
unpacked up to a bound, and archives (PyTorch, NumPy) are looked into; what was not looked through says why.
"""

from __future__ import annotations

import bz2
import contextlib
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
from ci_core.gates.files_at import RefusedFileError
from ci_core.gates.pickle_names import UNKNOWN, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    Opener: TypeAlias = "Callable[[str], BinaryIO | None]"

PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})
"""Files of these names are pickles; one that cannot be read as such was not looked through."""
OTHER_SUFFIXES: Final = frozenset({".bin", ".ckpt", ".dat", ".npy", ".npz", ".pt", ".pth", ".zip"})
"""Files of these names may be pickles or hold some."""

MAX_BYTES: Final = 1_000_000_000
"""Of one file, and of what it unpacks to."""
_MOST_ENTRIES: Final = 10_000
_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 512
"""Few bytes at once: of a damaged file all is seen that a loader sees, and zlib makes less than a chunk of them."""
_PROTOCOLS: Final = tuple(bytes([0x80, version]) for version in range(6))
_NUMPY: Final = b"\x93NUMPY"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_PROBE: Final = 16
_MOST_PARTS: Final = 20
"""Of a dotted name; that of a method has two."""
_LONGEST_NAME: Final = 1000
_SHOWN_NAME: Final = 100


class _Readable(Protocol):
    """Something that gives its bytes in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class _Machine(Protocol):
    """Unpacks one stream of bytes."""

    @property
    def eof(self) -> bool:
        """Whether the stream has come to its end."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return what the next bytes of the stream unpack to, as much of it as is wanted."""
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
        open_file: opens one for reading bytes, with a place that can be moved; None when it is not there. It may raise
            `RefusedFileError`: then the file is told as one that cannot be looked through.
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
        except RefusedFileError as error:
            scanned.append(path)
            unreadable.append((path, str(error)))
            continue
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
        head = _head(file)
        for signature, machine in _PACKED:
            if head.startswith(signature):
                return self._into_packed(file, path, machine)
        return self._into_content(file, path, is_inner=is_inner)

    def _into_packed(self, file: BinaryIO, path: str, machine: Callable[[], _Machine]) -> bool:
        """Look through what a file unpacks to, as far as it does: who loads it runs that much, before it breaks."""
        self._names |= _dangerous(names_in(file).imports)  # a pickle may begin like a packed file
        file.seek(0)
        with tempfile.TemporaryFile() as target:
            unpacked = cast("BinaryIO", target)
            problem = self._unpack(file, machine, unpacked)
            if problem is None:
                return self._into_content(unpacked, path)
            with contextlib.suppress(_UnreadableError):  # that it ends early has its reason here
                self._into_content(unpacked, path)
            raise problem

    def _into_content(self, file: BinaryIO, path: str, *, is_inner: bool = False) -> bool:
        head = _head(file)
        if head.startswith(_ZIP) and not is_inner:
            return self._into_zip(file)
        if head.startswith(_NUMPY):
            return self._into_array(file)
        for signature, how in _NOT_UNPACKED:
            if head.startswith(signature):
                raise _UnreadableError(f"it is packed {how}")
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

    def _unpack(self, file: BinaryIO, machine: Callable[[], _Machine], target: BinaryIO) -> _UnreadableError | None:
        """Write to `target` what `file` unpacks to, and return why that is not all of it."""
        try:
            self._keep(_unpacked(file, machine), target)
        except _UnreadableError as error:
            return error
        except (OSError, EOFError, MemoryError, lzma.LZMAError, zlib.error):
            return _UnreadableError("it looks packed, and cannot be unpacked to its end")
        return None

    @contextlib.contextmanager
    def _spooled(self, source: _Readable) -> Iterator[BinaryIO]:
        """Give what `source` holds as a temporary file."""
        with tempfile.TemporaryFile() as target:
            inner = cast("BinaryIO", target)
            self._keep(iter(lambda: source.read(_CHUNK), b""), inner)
            yield inner

    def _keep(self, pieces: Iterable[bytes], target: BinaryIO) -> None:
        """Write pieces to a file, up to the bound of all that is unpacked of one file."""
        for piece in pieces:
            self._left -= len(piece)
            if self._left < 0:
                raise self._too_large(" unpacked")
            target.write(piece)

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
        if name.count(".") >= _MOST_PARTS or len(module) + len(name) > _LONGEST_NAME:
            found.add(f"a name that is too long to be looked at: {module}.{name}"[:_SHOWN_NAME] + "…")
            continue
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


def _unpacked(file: BinaryIO, machine: Callable[[], _Machine]) -> Iterator[bytes]:
    """Yield what a packed file holds: several packed one behind the other are one, and zeros fill up the end.

    Raises:
        EOFError: it is cut off.
        OSError, lzma.LZMAError, zlib.error: it is damaged.
    """
    at_work = None
    while packed := file.read(_PACKED_CHUNK):
        while packed := packed if at_work else packed.lstrip(b"\0"):
            at_work = at_work or machine()
            yield from _pieces(at_work, packed)
            packed = at_work.unused_data
            if not at_work.eof:
                break
            at_work = None
    if at_work:
        raise EOFError


def _pieces(machine: _Machine, packed: bytes) -> Iterator[bytes]:
    """Yield what the next bytes unpack to. Of the three machines zlib's alone takes them all at once: few they are."""
    yield machine.decompress(packed, _CHUNK)
    while not getattr(machine, "needs_input", True) and not machine.eof:
        yield machine.decompress(b"", _CHUNK)


_PACKED: Final[tuple[tuple[bytes, Callable[[], _Machine]], ...]] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lzma.LZMADecompressor),
    (b"\x5d\x00", lzma.LZMADecompressor),
    (b"x\x01", zlib.decompressobj),
    (b"x\x5e", zlib.decompressobj),
    (b"x\x9c", zlib.decompressobj),
    (b"x\xda", zlib.decompressobj),
)
"""How joblib packs, by the first bytes."""
_NOT_UNPACKED: Final = ((b"\x04\x22\x4d\x18", "with LZ4"), (b"ZF", "as joblib did before its version 0.10"))
"""What joblib can load and is not looked into."""
