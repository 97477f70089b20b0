"""Which values of the environment must never be shown: those whose variable is named like a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECRET: Final = re.compile(
    r"(?:^|_)(?:TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASS|PASSPHRASE|PAT|CREDENTIALS?|(?:API|ACCESS|PRIVATE|ACCOUNT|SECRET)_?KEY|"
    r"SAS|DSN|CONNECTION_STRING)(?:$|_)",
    re.IGNORECASE,
)
_NOT_A_VALUE: Final = re.compile(r"_(?:FILE|PATH|DIR|URL|NAME|ID|TTL|TYPE|EXPIRES?)$", re.IGNORECASE)
"""Endings of names that tell where a secret is, or about it, and do not hold it."""
_SHORTEST: Final = 6
"""Shorter values are ordinary words; masking them would garble the text."""


def secret_values(env: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of `env` whose variables are named like a secret: ``GITHUB_TOKEN``, ``AWS_SECRET_ACCESS_KEY``.

    >>> list(secret_values({"GITHUB_TOKEN": "ghs_abcdef", "PATH": "/usr/bin", "TOKEN_FILE": "/run/token"}))
    ['ghs_abcdef']
    """
    for name, value in env.items():
        if _SECRET.search(name) and not _NOT_A_VALUE.search(name) and len(value) >= _SHORTEST:
            yield value
