"""How GitLab reads texts: quick actions are carried out and taken out.

https://docs.gitlab.com/user/project/quick_actions/ : a line that begins with ``/`` and the name of an action, outside
code blocks, is no text but a command, also when it comes through the interface.
"""

from __future__ import annotations

import re
from typing import Final

_ACTION: Final = re.compile(
    r"(?P<code>^```.+?\n```$)|^/(?P<name>close|merge|title|label|approve)(?: (?P<argument>[^\n]*))?(?:\s*\n|$)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)


def without_actions(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text that is kept, and the commands that stood in it."""
    found: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        found.append((match["name"].lower(), match["argument"] or ""))
        return ""

    kept = _ACTION.sub(take, text.replace("\r", ""))
    return kept.rstrip(), found
