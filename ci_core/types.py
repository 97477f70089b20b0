"""Names for the plain values that travel between features.

Imports nothing of ours, so that every layer may use it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NewType, TypeAlias

StepName = NewType("StepName", str)
"""The name of a node of a serving graph, unique in its graph."""

EnvironmentName = NewType("EnvironmentName", str)
"""A key of ``environments`` in ``graphship.yaml``, such as ``staging``."""

CommitId = NewType("CommitId", str)
"""A full Git object name of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits."""

Digest = NewType("Digest", str)
"""A content hash with its algorithm in front: ``sha256:9f86…`` for ours, ``md5:…`` for DVC's."""

ReleaseId = NewType("ReleaseId", str)
"""The sha256 of a release's canonical JSON: 64 lower-case hexadecimal digits, shown as its first 12."""

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What ``json.loads`` can return, with read-only containers."""

JsonObject: TypeAlias = Mapping[str, JsonValue]
"""A JSON object, read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and the 95 % confidence interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCredentials:
    """How Git proves who we are: one header for addresses below `url`; it goes to Git in no file and no argument."""

    url: str
    """Begins with ``https://`` (``http://`` only on loopback) and ends with ``/``."""
    header: str = field(repr=False)
    """``Authorization: Basic …``."""
