"""Releases for the local target's tests: what a server process should do is written into its bundle."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci_core.config.settings import Settings
from ci_core.deploy.bundle import build_bundle
from ci_core.deploy.release import resolve
from ci_core.testing.target_contract import make_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci_core.deploy.spec import Live, ReleaseRecord
    from ci_core.types import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallGraph:
    """The least a release needs to know of a graph."""

    label: str
    models: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        """Return a graph of one step that has the label as an argument."""
        step: JsonObject = {
            "name": "answer",
            "step": "serving.steps:answer",
            "after": ["start"],
            "with": {"label": self.label},
        }
        return {"name": "small", "steps": [step]}


class LocalReleases:
    """A :class:`ci_core.testing.target_contract.ReleaseKit` for servers that read ``serving/behaviour.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def good(self, label: str, **behaviour: object) -> tuple[ReleaseRecord, Path]:
        """Return a release that answers with `label`."""
        return self.make(label, **behaviour)

    def never_ready(self) -> tuple[ReleaseRecord, Path]:
        """Return one that starts and never gets ready."""
        return self.make("never-ready", ready=False)

    def ends_early(self) -> tuple[ReleaseRecord, Path]:
        """Return one whose process ends at once."""
        return self.make("ends-early", exit=3)

    def wrong_answers(self) -> tuple[ReleaseRecord, Path]:
        """Return one that answers requests with status 500."""
        return self.make("wrong-answers", status=500)

    def make(self, label: str, **behaviour: object) -> tuple[ReleaseRecord, Path]:
        """Return a release whose server process is told `behaviour`."""
        project = self._folder / "projects" / label
        (project / "serving").mkdir(parents=True, exist_ok=True)
        (project / "serving" / "behaviour.json").write_text(json.dumps({"label": label, **behaviour}))
        settings = Settings(root=project, name="small", graph="serving/graph.py:graph")
        (project / "serving" / "graph.py").write_text("")
        graph = SmallGraph(label=label)
        bundle = build_bundle(settings, graph, self._folder / "bundles", list_files=_all_files)
        return make_record(resolve(settings, graph, bundle), label), bundle.path

    def ask(self, live: Live) -> str:
        """Return the label of what answers."""
        return str(self.ask_in_full(live)["label"])

    def ask_in_full(self, live: Live) -> dict[str, Any]:
        """Send a request to what is live and return its answer."""
        connection = http.client.HTTPConnection(urlsplit(live.url or "").netloc, timeout=10)
        try:
            connection.request("POST", "/", body=b"{}")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()


def _all_files(root: Path, folder: str) -> Iterable[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / folder).iterdir())
