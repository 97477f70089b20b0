"""Which packages a lock file names, so that two revisions can be compared (pure).

Only names and versions are read; nothing is resolved. A package that a file holds in several versions (one for each
Python or platform) has them all, ascending as text.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packaging.specifiers import SpecifierSet

    Found = Iterable[tuple[str, str]]

UNPINNED: Final = "any version"
"""Stands for the version of a requirement that names none."""
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_OPTION: Final = re.compile(r"\s--?[a-z].*$")
_LOGIN: Final = re.compile(r"//[^/@\s]+@")
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_CONTINUED: Final = re.compile(r"\\\r?\n")


class UnreadableLockError(ValueError):
    """A lock file is not what its name says; the text says where."""


def read_packages(file: str, content: bytes) -> dict[str, str]:
    """Return package → version of a lock file, sorted by name.

    Args:
        file: its name, one of ``lock_files.LOCK_FILES``.
        content: of the file.

    Returns:
        Names are normalised as https://packaging.python.org/specifications/name-normalization has it. The version is
        the exact one, else what the file asks for (``>=2``), a URL, or :data:`UNPINNED`.

    Raises:
        UnreadableLockError: it cannot be parsed.
    """
    try:
        found = _READERS[file](content.decode("utf-8-sig"))
        versions: dict[str, set[str]] = {}
        for name, version in found:
            versions.setdefault(canonicalize_name(name), set()).add(version)
    except KeyError as error:
        raise UnreadableLockError(f"a package has no {error}") from error
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        said = one_line(" ".join(str(error).split()), max_chars=200)
        raise UnreadableLockError(said or type(error).__name__) from error
    return {name: ", ".join(sorted(versions[name])) for name in sorted(versions)}


def _of_toml(key: str) -> Callable[[str], Found]:
    def read(text: str) -> Iterator[tuple[str, str]]:
        for package in _list(tomllib.loads(text).get(key, [])):
            if not _is_own(package.get("source")):
                yield _text(package["name"]), _text(package.get("version", UNPINNED))

    return read


def _is_own(source: Any) -> bool:
    """Whether an entry of uv's is the project itself."""
    return isinstance(source, Mapping) and not source.keys().isdisjoint({"virtual", "editable"})


def _of_pipfile(text: str) -> Iterator[tuple[str, str]]:
    lock = _mapping(json.loads(text))
    for section in ("default", "develop"):
        for name, package in _mapping(lock.get(section, {})).items():
            yield name, _text(_mapping(package).get("version", UNPINNED)).removeprefix("==")


def _of_conda(text: str) -> Iterator[tuple[str, str]]:
    lock = _mapping(yaml.load(text, Loader=_PlainLoader))  # noqa: S506 - it is derived from the safe one
    for package in _list(lock.get("package", [])):
        yield _text(package["name"]), _text(package.get("version", UNPINNED))


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two classes
    """Reads such files in seconds rather than minutes, and every value as the text that it is."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


def _of_requirements(text: str) -> Iterator[tuple[str, str]]:
    for line in _CONTINUED.sub(" ", text).splitlines():
        asked = _OPTION.sub("", _COMMENT.sub("", line)).strip()
        if not asked or asked.startswith("-"):
            egg = _EGG.search(line) if asked.startswith(("-e", "--editable")) else None
            if egg:
                yield egg[1], _without_login(asked.partition(" ")[2].strip())
            continue
        try:
            requirement = Requirement(asked)
        except InvalidRequirement:  # a path or a URL of an archive: it names no package
            continue
        yield requirement.name, _without_login(requirement.url) if requirement.url else _version(requirement.specifier)


def _without_login(url: str) -> str:
    return _LOGIN.sub("//", url)


def _version(asked: SpecifierSet) -> str:
    """Return ``2.1`` of ``== 2.1``, and what is asked for of anything else."""
    exact = [one.version for one in asked if one.operator in {"==", "==="} and not one.version.endswith("*")]
    return exact[0] if len(exact) == len(asked) == 1 else str(asked) or UNPINNED


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("it does not list packages")
    return value


def _list(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise TypeError("it does not list packages")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name or a version is of type {type(value).__name__}")
    return value


_READERS: Final[Mapping[str, Callable[[str], Found]]] = {
    "uv.lock": _of_toml("package"),
    "poetry.lock": _of_toml("package"),
    "pdm.lock": _of_toml("package"),
    "pylock.toml": _of_toml("packages"),
    "Pipfile.lock": _of_pipfile,
    "conda-lock.yml": _of_conda,
    "requirements.lock": _of_requirements,
    "requirements.txt": _of_requirements,
}
