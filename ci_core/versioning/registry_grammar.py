"""The tag grammar of GTO, the registry of models that DVC and its tools read: text to tag and back (pure).

========================  ===============================================================
``churn@v1.2.0``          version v1.2.0 of ``churn`` is the tag's commit
``churn@v1.2.0!``         it is withdrawn
``churn#production#3``    stage ``production`` of ``churn`` is the tag's commit
``churn#production!#4``   it is no longer
``churn@deprecated``      nobody should use ``churn`` any more
========================  ===============================================================

Each may end in ``#N``, a number that grows with every numbered tag of the artifact. An artifact that the ``dvc.yaml``
of a sub-folder declares is called ``models/eu:churn``; in a tag, where Git allows no colon, ``models/eu=churn``. The
folder is relative to the top of the repository.

The rules are those of ``gto.constants`` and ``gto.versions`` 1.10; tests compare the two. The library is not called:
importing it takes as long as a whole snapshot and gives the process log handlers that write to standard output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["register", "withdraw", "assign", "unassign", "deprecate"]
Part = Literal["major", "minor", "patch"]

FIRST_VERSION: Final = "v0.0.1"
"""What GTO calls the first version when nobody says otherwise."""

_MAX_CHARS: Final = 400
"""Of a tag; a longer one is none of ours, and its numbers need not be numbers."""
_NAME: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9_/-]*[a-zA-Z0-9])?"
_FULL_NAME: Final = rf"(?:[a-zA-Z0-9_./-]+={_NAME}|{_NAME})"
_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER: Final = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION: Final = (
    rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_TAG: Final = re.compile(
    rf"(?P<name>{_FULL_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>{_VERSION}))(?P<cancel>!?)|@deprecated)"
    rf"(?:#(?P<counter>[0-9]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryTag:
    """What one tag says."""

    name: str
    """The artifact's full name: ``churn``, ``models/eu:churn``."""
    action: Action
    version: str | None = None
    """Of ``register`` and ``withdraw``."""
    stage: str | None = None
    """Of ``assign`` and ``unassign``."""
    counter: int | None = None

    @property
    def text(self) -> str:
        """The name of the Git tag."""
        cancel = "!" if self.action in {"withdraw", "unassign"} else ""
        match self.action:
            case "register" | "withdraw":
                said = f"@{self.version}{cancel}"
            case "assign" | "unassign":
                said = f"#{self.stage}{cancel}"
            case "deprecate":
                said = "@deprecated"
        return artifact_in_tag(self.name) + said + ("" if self.counter is None else f"#{self.counter}")


def parse_tag(text: str) -> RegistryTag | None:
    """Return what a tag says; None for one that is not of this grammar.

    >>> parse_tag("models/eu=churn#production!#4").stage
    'production'
    >>> parse_tag("v1.2.0") is None
    True
    """
    match = _TAG.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        return None
    action: Action
    if match["version"]:
        action = "withdraw" if match["cancel"] else "register"
    elif match["stage"]:
        action = "unassign" if match["cancel"] else "assign"
    else:
        action = "deprecate"
    return RegistryTag(
        name=match["name"].replace("=", ":"),
        action=action,
        version=match["version"],
        stage=match["stage"],
        counter=None if match["counter"] is None else int(match["counter"]),
    )


def artifact_in_tag(name: str) -> str:
    """Return an artifact's full name as tags spell it.

    >>> artifact_in_tag("models/eu:churn")
    'models/eu=churn'
    """
    return name.replace(":", "=")


def is_artifact(name: str) -> bool:
    """Whether something can have this name in the registry.

    >>> [is_artifact(name) for name in ("churn", "models/eu:churn", "churn v2", "a:b:c")]
    [True, True, False, False]
    """
    return len(name) <= _MAX_CHARS // 2 and "=" not in name and bool(re.fullmatch(_FULL_NAME, artifact_in_tag(name)))


def as_version(text: str) -> str | None:
    """Return a semantic version with its ``v``; None for text that is none.

    >>> as_version("1.2.0"), as_version("v2.0.0-rc.1"), as_version("v1.2")
    ('v1.2.0', 'v2.0.0-rc.1', None)
    """
    version = text if text.startswith("v") else f"v{text}"
    return version if len(version) <= _MAX_CHARS // 4 and re.fullmatch(_VERSION, version) else None


def version_order(version: str) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
    """Return what versions are sorted by (semver.org 2.0.0, section 11); what follows a ``+`` does not count.

    >>> sorted(["v1.0.0", "v1.0.0-rc.10", "v1.0.0-rc.2", "v0.9.0", "v1.0.0-1"], key=version_order)
    ['v0.9.0', 'v1.0.0-1', 'v1.0.0-rc.2', 'v1.0.0-rc.10', 'v1.0.0']
    """
    release, _, before = version.removeprefix("v").partition("+")[0].partition("-")
    major, minor, patch = (int(number) for number in release.split("."))
    identifiers = tuple(
        (False, int(one), "") if one.isdigit() else (True, 0, one) for one in before.split(".") if before
    )
    return major, minor, patch, not before, identifiers


def bump(version: str, part: Part) -> str:
    """Return the next version: one part grows, those behind it are 0 and nothing follows.

    >>> bump("v1.2.3", "minor"), bump("v1.2.3-rc.1", "patch")
    ('v1.3.0', 'v1.2.4')
    """
    major, minor, patch, *_ = version_order(version)
    match part:
        case "major":
            return f"v{major + 1}.0.0"
        case "minor":
            return f"v{major}.{minor + 1}.0"
        case "patch":
            return f"v{major}.{minor}.{patch + 1}"
