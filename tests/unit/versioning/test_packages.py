from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.lock_files import LOCK_FILES
from ci_core.versioning.packages import UNPINNED, UnreadableLockError, read_packages

REQUIREMENTS = rb"""
# made by hand
numpy==2.4.6 \
    --hash=sha256:aa \
    --hash=sha256:bb
Scikit_Learn[plots] >= 1.6, <2 ; python_version > '3'  # why
wheel-of-ours @ https://example.org/w-1.0.whl
--no-binary :all:
-r other.txt
./local
rich
torch==2.1.*
zipp (>=1.0)
-e git+https://example.org/a.git#egg=My_Pkg
"""


def test_requirements_tell_what_is_pinned_and_what_is_only_asked_for() -> None:
    assert read_packages("requirements.txt", REQUIREMENTS) == {
        "my-pkg": "git+https://example.org/a.git#egg=My_Pkg",
        "numpy": "2.4.6",
        "rich": UNPINNED,
        "scikit-learn": "<2,>=1.6",
        "torch": "==2.1.*",
        "wheel-of-ours": "https://example.org/w-1.0.whl",
        "zipp": ">=1.0",
    }


@pytest.mark.parametrize(
    "line", ["a @ https://me:token@example.org/a.whl", "-e git+https://token@example.org/a.git#egg=a"]
)
def test_a_login_in_an_address_goes_nowhere(line: str) -> None:
    [address] = read_packages("requirements.txt", line.encode()).values()

    assert "//example.org/" in address
    assert "token" not in address


@pytest.mark.parametrize("kind", ["editable", "virtual"])
def test_the_project_itself_is_no_package_of_its_lock_file(kind: str) -> None:
    content = f"""
        [[package]]
        name = "numpy"
        version = "2.1"

        [[package]]
        name = "own"
        source = {{ {kind} = "." }}
    """

    assert read_packages("uv.lock", content.encode()) == {"numpy": "2.1"}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("uv.lock", 'version = 1\n[[package]]\nname = "Ruamel.YAML"\nversion = "0.18"\n'),
        ("poetry.lock", '[[package]]\nname = "ruamel-yaml"\nversion = "0.18"\n[metadata]\npython-versions = "*"\n'),
        ("pdm.lock", '[metadata]\n[[package]]\nname = "ruamel_yaml"\nversion = "0.18"\n'),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "ruamel-yaml"\nversion = "0.18"\n'),
        ("Pipfile.lock", '{"default": {"ruamel.yaml": {"version": "==0.18"}}, "develop": {}}'),
        ("conda-lock.yml", "version: 1\npackage:\n- name: ruamel.yaml\n  version: 0.18\n  platform: linux-64\n"),
        ("requirements.lock", "ruamel.yaml==0.18"),
        ("requirements.txt", "\ufeffruamel.yaml===0.18\r\n"),
    ],
)
def test_every_kind_of_lock_file_tells_the_same(file: str, content: str) -> None:
    assert read_packages(file, content.encode()) == {"ruamel-yaml": "0.18"}


def test_a_package_in_several_versions_has_them_all() -> None:
    content = b'[[package]]\nname = "a"\nversion = "2"\n[[package]]\nname = "a"\nversion = "1"\n'

    assert read_packages("uv.lock", content) == {"a": "1, 2"}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("uv.lock", b"x =", "Invalid value"),
        ("poetry.lock", b"package = 3", "it does not list packages"),
        ("pdm.lock", b'[[package]]\nversion = "1"', "a package has no 'name'"),
        ("pylock.toml", b'[[packages]]\nname = "a"\nversion = 1', "a name or a version is of type int"),
        ("Pipfile.lock", b"[]", "it does not list packages"),
        ("Pipfile.lock", b"[" * 100_000, "recursion"),
        ("conda-lock.yml", b"a: [", "did not find expected"),
        ("requirements.txt", b"\xff\xfe", "invalid start byte"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_told(file: str, content: bytes, said: str) -> None:
    with pytest.raises(UnreadableLockError, match=said):
        read_packages(file, content)


@given(st.sampled_from(LOCK_FILES), st.binary() | st.text().map(str.encode))
def test_whatever_a_lock_file_holds_is_read_or_told(file: str, content: bytes) -> None:
    found: dict[str, str] = {}
    with contextlib.suppress(UnreadableLockError):
        found = read_packages(file, content)

    assert all(name == name.lower() and version for name, version in found.items())
