"""What a program prints, in whatever pieces it comes: no secret gets through, and all else does, unchanged."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.masking import Masker
from ci_core.pipelines._masked_stream import MaskedStream

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET = "s3cr-value/of+the=stage?420"
TOKEN = "ghp_" + "a1B2" * 9
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nu1SU1LfVLPHCozMx\n-----END RSA PRIVATE KEY-----\n"
MASKER = Masker([SECRET])


def passed(pieces: Iterable[bytes], masker: Masker = MASKER) -> list[bytes]:
    """Return what each piece lets through, and what is left at the end."""
    stream = MaskedStream(masker)
    return [*(stream.feed(piece) for piece in pieces), stream.end()]


def in_pieces(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(content) + 1) for cut in cuts}), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize("secret", [SECRET, TOKEN, base64.b64encode(SECRET.encode()).decode()])
def test_a_secret_that_is_cut_in_two_is_masked_wherever_it_is_cut(secret: str) -> None:
    content = f"before {secret}\nafter\n".encode()

    found = {b"".join(passed([content[:cut], content[cut:]])) for cut in range(len(content))}

    assert found == {b"before ***\nafter\n"}


@pytest.mark.parametrize("secret", [SECRET, TOKEN])
def test_a_secret_that_comes_byte_by_byte_is_masked(secret: str) -> None:
    content = f"at=1 token={secret}, next".encode()

    assert b"".join(passed(bytes([byte]) for byte in content)) == b"at=1 token=***, next"


@pytest.mark.parametrize("secret", [SECRET, TOKEN, "https://me:hunter2-horse@host"])
def test_a_line_without_an_end_never_shows_the_beginning_of_a_secret(secret: str) -> None:
    stream, shown = MaskedStream(MASKER), set()
    for byte in f"10 % {secret} 20".encode():
        stream.feed(bytes([byte]))
        shown.add(stream.unfinished)

    assert not any(secret[8:14] in text for text in shown)
    assert {"10", "10 %"} <= shown
    assert stream.unfinished in {"10 % *** 20", "10 % https://***@host 20"}


def test_a_known_value_that_is_broken_over_lines_is_masked_on_both() -> None:
    lines = [b"one\n", b"token s3cr-value/\n", b"of+the=stage?420 x\n", b"two\n"]

    assert passed(lines) == [b"one\n", b"token ", b"***\n*** x\n", b"two\n", b""]


def test_a_line_that_only_ends_like_a_beginning_is_passed_on_with_the_next() -> None:
    assert passed([b"the s3cr\n", b"next\n"]) == [b"the ", b"s3cr\nnext\n", b""]


def test_all_lines_of_a_private_key_are_masked_as_they_come() -> None:
    lines = [line.encode() for line in f"key:\n{KEY}done\n".splitlines(keepends=True)]

    assert passed(lines) == [b"key:\n", b"***\n", b"***\n", b"***\n", b"***\n", b"done\n", b""]


def test_a_line_is_passed_on_as_soon_as_it_ends() -> None:
    assert passed([b"one\n", b"10 %\r", b"two and thr", b"ee\n"]) == [b"one\n", b"10 %\r", b"two and ", b"three\n", b""]


def test_what_was_printed_last_is_passed_on_at_the_end() -> None:
    assert passed([b"no end", b" of line \xc3"]) == [b"no ", b"end of line ", b"\xc3"]


def test_a_word_without_an_end_does_not_grow_in_memory() -> None:
    stream = MaskedStream(MASKER)

    waiting = [10_000 * count - len(b"".join(passed([b"x" * 10_000] * count)[:-1])) for count in (1, 2, 20)]
    stream.feed(b"x" * 1_000_000)

    assert waiting == [10_000, 16_384, 16_384]
    assert len(stream.unfinished) <= 2 * 16_384


def test_a_secret_in_a_word_without_an_end_is_masked() -> None:
    content = b"x" * 40_000 + SECRET.encode() + b"x" * 40_000

    found = b"".join(passed(in_pieces(content, range(0, 80_000, 777))))

    assert found == b"x" * 40_000 + b"***" + b"x" * 40_000


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_what_holds_no_secret_comes_through_byte_for_byte(content: bytes, cuts: list[int]) -> None:
    masker = Masker(["never-in-any-text-\x00-of-this-test"])

    assert b"".join(passed(in_pieces(content, cuts), masker)) == content


WORDS = st.sampled_from(
    ["epoch", "1", " ", "\n", "\r", "s3cr", "s3cr-value", SECRET, TOKEN, SECRET[:9] + "\n" + SECRET[9:]]
)


@given(st.lists(WORDS, max_size=12), st.lists(st.integers(0, 400)))
def test_where_the_pieces_are_cut_does_not_matter(words: list[str], cuts: list[int]) -> None:
    content = " ".join(words).encode()

    found = b"".join(passed(in_pieces(content, cuts)))

    assert SECRET not in "".join(found.decode().split())
    assert TOKEN not in found.decode()
    assert found == b"".join(passed([content]))
