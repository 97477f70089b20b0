"""Name → adapter: the built-in ones from literal tables, those of other packages from entry points.

Adapters are named here as ``module:attribute`` and imported when they are asked for, so that a library which only one
adapter needs costs nothing to the others.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.errors import InvalidPluginError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from ci_core.errors import Location


def _installed(group: str) -> Iterable[EntryPoint]:
    return entry_points(group=group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The adapters of one kind."""

    kind: str
    """What one is called in messages: ``target``."""
    group: str
    """Entry point group in which other packages offer theirs: ``graphship.targets``."""
    built_in: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Name → ``module:attribute``. A package cannot replace one of these."""
    installed: Callable[[str], Iterable[EntryPoint]] = _installed
    """Returns the entry points of a group."""

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted.

        Raises:
            InvalidPluginError: a package claims a name that is taken.
        """
        return tuple(sorted(self._references()))

    def load(self, name: str, *, where: Location | str = "") -> Callable[..., object]:
        """Return the adapter's class or factory.

        Args:
            name: as the user wrote it.
            where: the place where it was written, for the message.

        Raises:
            UnknownNameError: there is none of that name; the message has the nearest.
            InvalidPluginError: the package that offers it cannot be imported, or offers something not callable.
        """
        references = self._references()
        if name not in references:
            raise UnknownNameError(kind=self.kind, name=name, known_names=sorted(references), where=where)
        if name in self.built_in:
            return _attribute(references[name])
        try:
            adapter = _attribute(references[name])
        except Exception as error:  # whatever a foreign module raises while it is imported
            raise InvalidPluginError(
                kind=self.kind, name=name, source=references[name], reason=f"{type(error).__name__}: {error}"
            ) from error
        if not callable(adapter):
            raise InvalidPluginError(
                kind=self.kind, name=name, source=references[name], reason="it is not a class or a function"
            )
        return adapter

    def _references(self) -> dict[str, str]:
        """Return name → ``module:attribute``; all names are judged before any is used."""
        references = dict(self.built_in)
        for point in self.installed(self.group):
            if references.get(point.name, point.value) != point.value:
                raise InvalidPluginError(
                    kind=self.kind,
                    name=point.name,
                    source=point.value,
                    reason=f"`{references[point.name]}` has that name already",
                )
            references[point.name] = point.value
        return references


def _attribute(reference: str) -> Callable[..., object]:
    module, _, attribute = reference.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), attribute)
    return found


TARGETS = Registry(
    kind="target",
    group="graphship.targets",
    built_in=MappingProxyType({"local": "ci_core.deploy.local:LocalTarget"}),
)
"""Where graphs run. Hosts, engines and statistics get a table like this one, with groups ``graphship.hosts``,
``graphship.engines`` and ``graphship.statistics``, when there is a second of their kind to choose."""
