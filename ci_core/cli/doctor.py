"""``graphship doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci_core.cli._common import echo_json, echo_text, json_option, project_option
from ci_core.errors import ExitCode
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci_core.operations.doctor import Finding


@click.command("doctor")
@project_option
@json_option
@click.pass_obj
def command(env: Mapping[str, str], *, project: Path, as_json: bool) -> int:
    """Say what is missing in this project, in the order to mend it.

    Exits with 1 when something is missing and with 0 when nothing is.
    """
    from ci_core.operations.doctor import Doctor

    findings = Doctor().examine(project, env)
    if as_json:
        echo_json({"findings": [finding.to_dict() for finding in findings]})
    else:
        echo_text(findings_text(findings))
    return ExitCode.CHECK_FAILED if findings else ExitCode.DONE


def findings_text(findings: tuple[Finding, ...]) -> str:
    """Return the findings as numbered paragraphs."""
    if not findings:
        return "nothing is missing"
    paragraphs = []
    for number, finding in enumerate(findings, start=1):
        margin = " " * (len(str(number)) + 2)
        lines = [f"{number}. {finding.slug}: {one_line(finding.fact)}"]
        lines += [f"{margin}--> {one_line(finding.where)}"] if finding.where else []
        lines += [f"{margin}hint: {one_line(finding.hint)}"] if finding.hint else []
        paragraphs.append("\n".join(lines))
    count = len(findings)
    head = "one finding:" if count == 1 else f"{count} findings, in the order to mend them:"
    return "\n\n".join([head, *paragraphs])
