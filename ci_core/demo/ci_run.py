"""Be the demo's CI system: check a commit out, run ``graphship ci`` for an event, keep its log, read its outputs.

The command runs in a process of its own and is told the event by the environment variables that any CI system without
an integration of its own would set; see ``ci/plain_event.py``.
"""

from __future__ import annotations

import itertools
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ci_core import _process
from ci_core.demo.workspace import checkout_for_ci
from ci_core.errors import DemoRunFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_core.demo.workspace import Workspace

Event: TypeAlias = Literal["change-request", "push", "schedule"]
"""What CI runs happen in the story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiRun:
    """A run of ``graphship ci`` that ended well."""

    event: Event
    outputs: Mapping[str, str]
    """What the run handed to later steps of the job: ``verdict``, ``release-id``, …"""
    seconds: float


class CiRunner:
    """The one runner of the demo.

    Args:
        workspace: whose repository is built.
        clock: seconds that only grow.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float]) -> None:
        self._workspace, self._clock = workspace, clock
        self._count = 0

    def run(
        self,
        event: Event,
        *,
        branch: str = "main",
        change_request: int | None = None,
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> CiRun:
        """Run ``graphship ci`` on the newest commit of `branch`.

        Args:
            event: why.
            branch: what is checked out.
            change_request: number of the change request, for an event of that kind.
            on_line: told each line of the log.

        Raises:
            DemoRunFailedError: it ended with another code than 0; the error has its last lines.
        """
        began = self._clock()
        self._count += 1
        clone = checkout_for_ci(self._workspace, branch)
        logs = self._workspace.root / "logs"
        logs.mkdir(exist_ok=True)
        name = f"{self._count:02}-{event}"
        output_file, log_file = logs / f"{name}.outputs", logs / f"{name}.log"
        env = {
            **self._workspace.env,
            "GRAPHSHIP_EVENT": event,
            "GRAPHSHIP_BRANCH": branch,
            "GRAPHSHIP_DEFAULT_BRANCH": "main",
            "GRAPHSHIP_RUN_ID": str(self._count),
            "GRAPHSHIP_OUTPUT": str(output_file),
            "GRAPHSHIP_SUMMARY": str(logs / f"{name}.md"),
            "NO_COLOR": "1",
        }
        if change_request is not None:
            env["GRAPHSHIP_CHANGE_REQUEST"] = str(change_request)
        command = [sys.executable, "-m", "ci_core", "ci"]
        finished = _process.run(command, cwd=clone, env=env, on_line=on_line, check=False)
        log_file.write_text(finished.output, encoding="utf-8")
        if finished.exit_code != 0:
            raise DemoRunFailedError(
                event=event, exit_code=finished.exit_code, log=str(log_file), last_lines=finished.last_lines()
            )
        outputs = read_outputs(output_file.read_text("utf-8")) if output_file.exists() else {}
        return CiRun(event=event, outputs=outputs, seconds=self._clock() - began)


def read_outputs(text: str) -> dict[str, str]:
    """Return the outputs in a file that ``GRAPHSHIP_OUTPUT`` named: name → value, the last one of a name."""
    outputs: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        one_line, several_lines = re.match(r"([^=<]+)=(.*)", line), re.match(r"([^=<]+)<<(.+)", line)
        if several_lines:
            name, delimiter = several_lines.groups()
            outputs[name] = "\n".join(itertools.takewhile(delimiter.__ne__, lines))
        elif one_line:
            outputs[one_line[1]] = one_line[2]
    return outputs
