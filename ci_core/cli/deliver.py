"""``graphship deliver``: the trusted second stage of a fork's report."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import dry_run_option, echo_json, json_option, need, project_option
from ci_core.errors import InvalidVariableError, MissingVariableError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.ci.finished_run import FinishedRun
    from ci_core.operations.deliver import Delivered
    from ci_core.types import JsonObject, JsonValue

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LARGEST_EVENT_BYTES = 32 * 1024 * 1024


@click.command("deliver")
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--head", metavar="COMMIT", help="The commit that the other run was about; default: what the event says.")
@click.option("--change-request", "number", type=click.IntRange(min=1), help="Its number, where the host says it.")
@project_option
@dry_run_option
@json_option
@click.pass_obj
def command(
    env: Mapping[str, str],
    *,
    folder: Path,
    head: str | None,
    number: int | None,
    project: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Post the report that a run without rights left in FOLDER, after checking it.

    A change request from a fork runs without secrets and may write nothing. Its run leaves a folder (output
    `handover-path`), which it uploads; a run of the default branch, started when the first one has ended, downloads it
    and gives it to this command. FOLDER may also be a ZIP file. Nothing in it is executed or believed: the report must
    fit its schema, be about the commit that the host says the first run was about, and that must be the newest commit
    of an open change request from another repository.
    """
    need("dvc", "dvc", "git")
    from ci_core.ci.detect import detect
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.hosts.marker import Run
    from ci_core.operations.deliver import deliver
    from ci_core.operations.handover import read_handover

    finished = _finished_run(env)
    commit = _head(head, finished)
    console = PlainConsole.from_environment(env, sys.stderr)
    opened = open_project(project, env, console)
    context = detect(env, read_event=_read_event, checkout=opened.git)
    done = deliver(
        opened,
        read_handover(folder),
        path=folder,
        head=commit,
        run=Run(id=context.run_id, attempt=context.attempt),
        number=number,
        repository=finished.repository if finished is not None else None,
        dry_run=dry_run,
    )
    console.output("delivered", "true" if done.comment is not None else "false")
    if as_json:
        echo_json(_as_dict(done))
    else:
        click.echo(_sentence(done))


def _head(given: str | None, finished: FinishedRun | None) -> CommitId:
    if given is None:
        if finished is None:
            raise MissingVariableError(
                fact="nothing says which commit the other run was about",
                variables=("GITHUB_EVENT_PATH",),
                example="an event of type `workflow_run`; or name the commit with `--head`",
            )
        return finished.head
    if not _COMMIT.fullmatch(given):
        raise InvalidVariableError(variable="--head", value=given, expected="a full commit id of 40 or 64 hex digits")
    return CommitId(given)


def _finished_run(env: Mapping[str, str]) -> FinishedRun | None:
    from ci_core.ci.finished_run import finished_run

    path = env.get("GITHUB_EVENT_PATH")
    if env.get("GITHUB_EVENT_NAME") != "workflow_run" or not path:
        return None
    return finished_run(_read_event(Path(path)))


def _read_event(path: Path) -> JsonObject:
    with path.open("rb") as file:
        event: JsonValue = json.loads(file.read(_LARGEST_EVENT_BYTES))
    return event if isinstance(event, dict) else {}


def _as_dict(done: Delivered) -> dict[str, object]:
    comment = done.comment
    return {
        "outcome": done.outcome,
        "change-request": done.number,
        "comment": None if comment is None else {"outcome": comment.outcome, "url": comment.url},
    }


def _sentence(done: Delivered) -> str:
    if done.comment is not None:
        return f"report {done.comment.outcome} on change request {done.number}: {done.comment.url}"
    if done.outcome == "dry-run":
        return f"the report is sound and would be posted on change request {done.number}"
    return f"change request {done.number} has a newer commit: nothing was posted"
