"""The lock file of the example project: what the serving process needs, in the versions that are installed here.

A user's project makes this file with ``pip-compile`` or ``uv pip compile``; the demo must work without a package index
and promise nothing that is not true, so it writes down what it finds.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packaging.requirements import Requirement

    Find = Callable[[str], Distribution]
    """Returns an installed distribution by name, or raises PackageNotFoundError."""

ROOT = "graphship[serve,onnx]"


def pinned_requirements(root: str = ROOT, find: Find = Distribution.from_name) -> str:
    """Return the text of a requirements file: `root` and all it needs, as ``name==version``, sorted.

    Args:
        root: a requirement; its version is pinned too.
        find: returns an installed distribution by name.

    Raises:
        PackageNotFoundError: `root` itself is not installed. What it needs and is not installed is left out: on this
            machine it works without.
    """
    from packaging.requirements import Requirement

    wanted = [Requirement(root)]
    find(wanted[0].name)
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        key = (requirement.name.lower(), ",".join(sorted(requirement.extras)))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = find(requirement.name)
        except PackageNotFoundError:
            continue
        pins[found.metadata["Name"].lower().replace("_", "-")] = found.version
        wanted.extend(_needs(found, requirement))
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def _needs(found: Distribution, requirement: Requirement) -> Iterator[Requirement]:
    """Yield what a distribution needs here, for the extras that are asked for."""
    from packaging.requirements import Requirement

    for line in found.requires or ():
        need = Requirement(line)
        extras = ("", *requirement.extras)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
            yield need
