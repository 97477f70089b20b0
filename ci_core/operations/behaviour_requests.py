"""The requests of both sides of a comparison: recorded ones, else rows of the reference, each of its own version.

Those of the base are always among them: a change must not choose what it is judged by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.behaviour.requests import RECORDED, Requests, recorded, sampled, together
from ci_core.errors import GraphshipError
from ci_core.operations.behaviour_sides import told
from ci_core.versioning.dvc_copies import copy_tracked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from ci_core.config.settings import MonitorSettings
    from ci_core.operations.behaviour_sides import Version
    from ci_core.operations.project import Project


class BothRequests:
    """What both sides ask.

    Args:
        project: of the work tree.
        versions: the sides that there are.
        scratch: folder for what must be copied.
    """

    def __init__(self, project: Project, versions: Mapping[str, Version], scratch: Path) -> None:
        self._project, self._scratch = project, scratch
        self._recorded = {name: _recorded(version) for name, version in versions.items()}
        base = self._recorded.get("base")
        self._sampled = {
            name: (version, version.settings.monitor)
            for name, version in versions.items()
            if version.settings.monitor is not None
            and self._recorded[name] is None
            # rows stand in for what nobody recorded
            and not (name == "head" and base is not None and base.requests)
        }

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to send."""
        return not self._sampled and not any(side.requests for side in self._recorded.values() if side is not None)

    def all(self, columns: Collection[str] | None) -> Requests:
        """Return the requests of both sides, those of the base first.

        Args:
            columns: what the graphs take, when known.
        """
        found = dict(self._recorded)
        for name, (version, monitor) in self._sampled.items():
            found[name] = self._rows(version, monitor, columns)
        return together(found.get("base"), found.get("head"))

    def _rows(self, version: Version, monitor: MonitorSettings, columns: Collection[str] | None) -> Requests:
        table = version.place.root / monitor.reference
        try:
            if version.tree is not None:
                version.tree.bring([monitor.reference])
            elif not table.exists():  # a clone whose data was not pulled stays as it is
                folder = self._scratch / "data"
                copy_tracked(self._project.dvc, self._project.git.head(), [monitor.reference], folder)
                table = folder / monitor.reference
        except GraphshipError as error:
            return Requests(source=monitor.reference, problem=f"`{monitor.reference}` cannot be had: {told(error)}")
        return sampled(table, monitor, columns)


def _recorded(version: Version) -> Requests | None:
    """Return the recorded requests of a side; None when it has no file of them."""
    smoke, root = version.settings.smoke, version.place.root
    file = smoke or RECORDED
    if version.tree is not None:
        try:
            version.tree.bring([file])
        except GraphshipError as error:
            return Requests(source=file, problem=f"the recorded requests cannot be had: {told(error)}")
    if smoke is None and not (root / file).is_file():
        return None
    return recorded(root, file)
