"""The scan of pickled files, on bytes that real libraries and attackers write. Nothing of it is ever loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import joblib  # type: ignore[import-untyped]  # ships no types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import DvcFailedError
from ci_core.gates.pickle_files import may_be_pickle, scan_pickles
from ci_core.gates.pickle_names import names_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.gates.evidence import PickleScan


class Evil:
    """Would run a program when it is loaded; `os.system` is `posix.system` to Python."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


HARMLESS = {"weights": [1.5, 2], "names": ("a", "b"), "set": {1}, "bytes": b"x", "big": 10**30}


def scan(data: bytes, path: str = "m.pkl", **more: int) -> PickleScan:
    return scan_pickles([path], lambda _path: cast("BinaryIO", io.BytesIO(data)), **more)


def blamed(data: bytes, path: str = "m.pkl", **more: int) -> tuple[str, ...]:
    """Return the names that are told; fails when the file is told to be unreadable."""
    found = scan(data, path, **more)
    assert found.unreadable == ()
    return found.findings[0].names if found.findings else ()


def dumped(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"archive/{name.replace('_', '.')}", data)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(6))
def test_what_would_run_is_named_in_every_protocol(protocol: int) -> None:
    assert blamed(pickle.dumps([HARMLESS, Evil(), HARMLESS], protocol=protocol)) == ("posix.system",)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_is_harmless_in_every_protocol(protocol: int) -> None:
    found = scan(pickle.dumps(HARMLESS, protocol=protocol))

    assert (found.scanned, found.findings, found.unreadable) == (("m.pkl",), (), ())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_stands_behind_the_arrays_of_joblib_is_seen(protocol: int) -> None:
    arrays = [
        np.arange(7.0),
        np.asfortranarray(np.ones((3, 2), dtype=np.float32)),
        np.array(["a", "bc"]),
        np.array([b"abc"]),
        np.array([1 + 2j]),
        np.zeros((2, 0)),
        np.array(5.0),
        np.array(["2024-01-01"], dtype="M8[ns]"),
        np.zeros(3, dtype=[("x", "f8"), ("y", "i4")]),
        np.array([{"an": "object"}, None], dtype=object),
        np.arange(7.0),
    ]

    assert blamed(dumped([*arrays, Evil()], protocol=protocol), "m.joblib") == ("posix.system",)


def test_what_stands_in_an_array_of_objects_is_seen() -> None:
    assert blamed(dumped([np.array([Evil()], dtype=object), np.arange(3)])) == ("posix.system",)


@pytest.mark.parametrize("how", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_packed_files_are_unpacked(how: Callable[[bytes], bytes]) -> None:
    assert blamed(how(dumped([np.arange(100_000), Evil()])), "m.joblib") == ("posix.system",)


@pytest.mark.parametrize("how", ["zlib", "gzip", "bz2", "lzma", "xz"])
def test_all_that_joblib_packs_by_itself_is_unpacked(how: str) -> None:
    assert blamed(dumped([np.arange(1000), Evil()], compress=(how, 3)), "m.joblib") == ("posix.system",)


def wrong_checksum(data: bytes) -> bytes:
    return data[:-6] + bytes([data[-6] ^ 0xFF]) + data[-5:]


@pytest.mark.parametrize("path", ["m.bin", "m.model", "m.joblib"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: wrong_checksum(gzip.compress(data)),
        lambda data: wrong_checksum(zlib.compress(data)),
        lambda data: wrong_checksum(bz2.compress(data)),
        lambda data: lzma.compress(data)[:-20],
        lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)[:-40_000],
        lambda data: gzip.compress(data) + b"no more of it",
    ],
)
def test_a_packed_file_that_breaks_is_followed_so_far_and_told(spoil: Callable[[bytes], bytes], path: str) -> None:
    noise = np.random.default_rng(7).bytes(1_000_000)  # a loader reads so much only after it has run the pickle

    found = scan(spoil(pickle.dumps(Evil()) + noise), path)

    assert [finding.names for finding in found.findings] == [("posix.system",)]
    assert found.unreadable == ((path, "it looks packed, and cannot be unpacked to its end"),)


def test_what_is_found_in_a_file_that_unpacks_to_too_much_is_told() -> None:
    found = scan(gzip.compress(pickle.dumps(Evil()) + b"\0" * 2_000_000), "m.bin", max_bytes=1_000_000)

    assert found.findings[0].names == ("posix.system",)
    assert found.unreadable == (("m.bin", "it is larger than 1,000,000 bytes unpacked"),)


@pytest.mark.parametrize("how", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_pickle_that_goes_on_in_a_second_stream_is_seen(how: Callable[[bytes], bytes]) -> None:
    first = b"]0"  # a list, thrown away again; a pickle of the oldest kind has no heading

    assert blamed(how(first) + how(pickle.dumps(Evil(), protocol=0)), "m.bin") == ("posix.system",)


def test_zeros_that_fill_up_a_packed_file_are_no_damage() -> None:
    assert blamed(gzip.compress(pickle.dumps(Evil())) + b"\0" * 1000, "m.bin") == ("posix.system",)


def test_a_pickle_that_begins_like_a_packed_file_is_followed() -> None:
    data = b"BZh\0\0" + b"." * 0x685A + b"0" + pickle.dumps(Evil(), protocol=0)  # bytes, thrown away again

    assert pickle.loads(data[:5] + b"." * 0x685A + b"0N.") is None
    assert scan(data, "m.bin").findings[0].names == ("posix.system",)


def test_the_oldest_files_of_joblib_are_told_to_be_unreadable() -> None:
    raw = pickle.dumps(Evil(), protocol=2)
    data = b"ZF" + hex(len(raw)).encode().ljust(19) + zlib.compress(raw)

    assert scan(data, "m.bin").unreadable == (("m.bin", "it is packed as joblib did before its version 0.10"),)


def test_bytes_that_only_joblib_skips_cannot_hide_a_plain_pickle() -> None:
    hidden = pickle.dumps(Evil(), protocol=2)[2:]
    state = b"}(X\x05\0\0\0shapeK" + bytes([len(hidden)]) + b"\x85X\x05\0\0\0dtypecnumpy\ndtype\nX\x02\0\0\0u1\x85Ru"
    wrapper = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + state + b"b"

    # to joblib an array of unsigned bytes, to `pickle.load` a call
    assert blamed(wrapper + hidden + b".") == ("posix.system",)


def test_the_files_of_pytorch_and_numpy_are_looked_into() -> None:
    objects = io.BytesIO()
    np.savez(objects, a=np.arange(3), b=np.array([Evil()], dtype=object))
    single = io.BytesIO()
    np.save(single, np.array([Evil()], dtype=object))

    assert blamed(zipped(data_pkl=pickle.dumps(Evil()), data_0=b"\0" * 100), "m.pt") == ("posix.system",)
    assert blamed(objects.getvalue(), "m.npz") == ("posix.system",)
    assert blamed(single.getvalue(), "m.npy") == ("posix.system",)


def test_a_pickle_in_an_archive_is_known_by_its_content_too() -> None:
    assert blamed(zipped(whatever=pickle.dumps(Evil())), "m.onnx") == ("posix.system",)


def test_an_array_of_numbers_is_no_pickle() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3, dtype=[("Origin", "f8"), ("b", "i4")]))

    found = scan(buffer.getvalue(), "m.npy")

    assert (found.scanned, found.findings, found.unreadable) == ((), (), ())


def test_a_pickle_with_an_archive_behind_it_is_read_as_the_pickle_that_it_is() -> None:
    assert blamed(pickle.dumps(Evil()) + zipped(data=b"harmless")) == ("posix.system",)


@pytest.mark.parametrize("path", ["m.onnx", "m.bin", "m.txt"])
def test_other_files_are_no_pickles(path: str) -> None:
    found = scan(b"\x08\x07tree\nversion=v4\n" * 50, path)

    assert (found.scanned, found.findings, found.unreadable) == ((), (), ())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"no pickle", "it cannot be read as a pickle to its end"),
        (pickle.dumps(HARMLESS)[:-3], "it cannot be read as a pickle to its end"),
        (b"\x04\x22\x4d\x18" + b"packed", "it is packed with LZ4"),
        (gzip.compress(b"x" * 2_000_000), "it is larger than 1,000,000 bytes unpacked"),
        (zipped(data_pkl=b"\x80\x04" + b"x" * 2_000_000), "it is larger than 1,000,000 bytes unpacked"),
        (b"x" * 1_000_001, "it is larger than 1,000,000 bytes"),
        (b"\x80\x02" + b"N." * 5 + b"\x80\x02(", None),
    ],
)
def test_a_file_that_cannot_be_followed_says_why(data: bytes, why: str | None) -> None:
    found = scan(data, max_bytes=1_000_000)

    assert found.unreadable == ((("m.pkl", why),) if why else ())


def test_what_would_run_before_a_broken_end_is_told() -> None:
    found = scan(pickle.dumps([Evil(), 1])[:-2])

    assert found.findings[0].names == ("posix.system",)
    assert found.unreadable


def test_a_damaged_archive_is_unreadable_not_clean() -> None:
    data = bytearray(zipped(data_pkl=pickle.dumps(Evil())))
    data[60] ^= 0xFF

    found = scan(bytes(data), "m.pt")

    assert found.findings or found.unreadable


def test_a_name_that_is_computed_is_dangerous() -> None:
    # `os` from the memo of a call's result: STACK_GLOBAL on something that is no text
    data = b"\x80\x04cbuiltins\nstr\n(\x8c\x02ostR\x8c\x06system\x93."

    assert blamed(data) == ("a name that is computed",)


def test_names_by_way_of_the_memo_are_seen() -> None:
    data = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940\x8c\x01x0h\x00h\x01\x93."

    assert blamed(data) == ("posix.system",)


def test_a_module_that_imports_another_is_no_way_around() -> None:
    data = b"\x80\x04\x8c\x0dsklearn.utils\x8c\x09os.system\x93."

    assert blamed(data) == ("sklearn.utils.os.system",)


@pytest.mark.parametrize(
    ("module", "name"),
    [("a", ".".join("b" * 40)), ("a" * 1001, "b"), ("a", "b" * 1001), ("sklearn.utils", "x." * 2_000_000 + "system")],
)
def test_names_that_nobody_writes_are_blamed_and_cost_no_time(module: str, name: str) -> None:
    data = (
        b"\x80\x04" + b"".join(b"X" + struct.pack("<I", len(one)) + one.encode() for one in (module, name)) + b"\x93."
    )

    (told,) = blamed(data)

    assert told.startswith(f"a name that is too long to be looked at: {module[:10]}")
    assert len(told) <= 101


def test_methods_by_dotted_names_are_harmless() -> None:
    data = b"\x80\x04\x8c\x0csklearn.tree\x8c\x08Tree.fit\x93."

    assert blamed(data) == ()


def test_a_pickle_that_claims_to_be_huge_takes_no_memory() -> None:
    claims = b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b"x."

    assert scan(claims).unreadable == (("m.pkl", "it cannot be read as a pickle to its end"),)


def test_a_pickle_of_too_many_objects_is_given_up() -> None:
    found = names_in(io.BytesIO(pickle.dumps(list(range(1000)))), most_operations=500)

    assert found.problem == "it holds too many objects to be looked through"


def test_nothing_is_imported_or_called_by_the_scan(tmp_path: Any) -> None:
    trace = tmp_path / "ran"

    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, (f"open({str(trace)!r}, 'w')",)

    assert blamed(pickle.dumps(Touch())) == ("builtins.exec",)
    assert not trace.exists()


def test_files_that_are_not_here_are_told() -> None:
    def refuse(path: str) -> BinaryIO | None:
        if path == "b.pkl":
            raise DvcFailedError(doing="read b.pkl", message="")
        return None

    assert scan_pickles(["a.pkl", "b.pkl"], refuse).missing == (
        ("a.pkl", "it is neither in the work tree nor in the cache"),
        ("b.pkl", "DVC could not read b.pkl"),
    )


@pytest.mark.parametrize(("path", "answer"), [("a/m.PKL", True), ("m.pt", True), ("m.onnx", False), ("pkl", False)])
def test_files_to_look_into_are_known_by_their_names(path: str, answer: bool) -> None:
    assert may_be_pickle(path) is answer


@given(st.binary(max_size=200))
def test_no_bytes_make_the_scan_fail(data: bytes) -> None:
    scan(data)
    scan(b"\x80\x04" + data)
    scan(b"PK\x03\x04" + data)
    scan(b"\x93NUMPY\x01\x00" + data)
    scan(b"x\x9c" + data)


@given(st.binary(max_size=60), st.integers(0, 300))
def test_no_change_to_a_real_file_makes_the_scan_fail(noise: bytes, at: int) -> None:
    data = dumped([np.arange(4), {"a": np.array(["x"], dtype=object)}])

    scan(data[:at] + noise + data[at + len(noise) :])
