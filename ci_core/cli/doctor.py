"""``graphship doctor``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, project_option
from ci_core.errors import ExitCode, GraphshipError
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.operations.doctor import Finding


@click.command("doctor")
@project_option
@click.option("--offline", is_flag=True, help="Ask neither the Git remote, nor the host, nor the DVC remote.")
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, project: Path, offline: bool, as_json: bool) -> int:
    """Say what is missing in this project, in the order to mend it.

    Looks at files, versions and libraries first, then asks the Git remote, the repository's host and the DVC remote
    whether the work can be done there: whether the token is known and has the permissions that the settings need, and
    whether all data is there. Nothing is written anywhere.

    Exits with 1 when something is missing and with 0 when nothing is.
    """
    from ci_core.operations.doctor import Doctor

    findings = Doctor().examine(project, env)
    if not offline:
        findings += _of_remotes(project, env)
    if as_json:
        echo_json({"findings": [finding.to_dict() for finding in findings]})
    else:
        echo_text(findings_text(findings))
    return ExitCode.CHECK_FAILED if any(it.level == "finding" for it in findings) else ExitCode.DONE


def _of_remotes(project: Path, env: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what the remotes say; nothing where no project can be opened, which is a finding by then."""
    from ci_core.ci.plain import PlainConsole
    from ci_core.cli._project import open_project
    from ci_core.operations.doctor_remotes import examine_remotes

    try:
        return examine_remotes(open_project(project, env, PlainConsole.from_environment(env, sys.stderr)))
    except GraphshipError:
        return ()


def findings_text(findings: tuple[Finding, ...]) -> str:
    """Return the findings as numbered paragraphs, and the notes below them."""
    notes = [f"note: {one_line(finding.fact)}" for finding in findings if finding.level == "note"]
    findings = tuple(finding for finding in findings if finding.level == "finding")
    if not findings:
        return "\n\n".join(["nothing is missing", *notes])
    paragraphs = []
    for number, finding in enumerate(findings, start=1):
        margin = " " * (len(str(number)) + 2)
        lines = [f"{number}. {finding.slug}: {one_line(finding.fact)}"]
        lines += [f"{margin}--> {one_line(finding.where)}"] if finding.where else []
        lines += [f"{margin}hint: {one_line(finding.hint)}"] if finding.hint else []
        paragraphs.append("\n".join(lines))
    count = len(findings)
    head = "one finding:" if count == 1 else f"{count} findings, in the order to mend them:"
    return "\n\n".join([head, *paragraphs, *notes])
