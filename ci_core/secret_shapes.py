"""How well-known tokens, private keys and passwords look (pure).

One list for two uses: reports mask what has such a shape, and the gate ``secrets`` names the lines that a change adds.
A shape says nothing of whether the secret is real.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHAPES: Final = re.compile(
    r"""
      (?P<github>gh[pousr]_[A-Za-z0-9]{20,255}
               | github_pat_[A-Za-z0-9_]{20,255})
    | (?P<gitlab>gl(?:pat|dt|rt|ptt|ft|cbt|oas|soat|imt|agent|ffct)-[A-Za-z0-9_\-.]{16,255})
    | (?P<aws_id>\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b)
    | (?P<aws_key>(?i:(?<=aws_secret_access_key)["']?\s*[=:]\s*["']?[A-Za-z0-9/+=]{40}))
    | (?P<azure>(?i:(?<=accountkey=)[A-Za-z0-9/+=]{40,}))
    | (?P<aws_signature>(?i:(?<=x-amz-signature=)[0-9a-f]{32,}))
    | (?P<slack>xox[abeoprs]-[A-Za-z0-9-]{10,})
    | (?P<google>AIza[A-Za-z0-9_\-]{35})
    | (?P<hugging_face>\bhf_[A-Za-z0-9]{30,})
    | (?P<pypi>\bpypi-[A-Za-z0-9_\-]{50,})
    | (?P<npm>\bnpm_[A-Za-z0-9]{30,})
    | (?P<web_token>(?<![A-Za-z0-9_\-])(?=[A-Za-z0-9_\-]*eyJ)[A-Za-z0-9_\-]{11,}+
               \.eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]+)
    | (?P<authorization>(?i:(?<=authorization:)\s*(?:bearer|basic|token)\s+[^\s"']+))
    | (?P<private_key>-----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z))
    | (?P<address>(?<=://)[^\s/@:]*:[^\s/@]+(?=@))
    """,
    re.VERBOSE | re.DOTALL,
)

_BEGUN: Final = re.compile(
    r"""
      (?: gh[pousr]_ | github_pat_ | gl(?:pat|dt|rt|ptt|ft|cbt|oas|soat|imt|agent|ffct)- | \b(?:AKIA|ASIA|ABIA|ACCA)
        | xox[abeoprs]- | AIza | \bhf_ | \bpypi- | \bnpm_ | eyJ
        | (?i:aws_secret_access_key)["']?\s*[=:]\s*["']? | (?i:accountkey=|x-amz-signature=)
        | (?i:authorization:)\s*(?i:bearer|basic|token)\s+
      ) [A-Za-z0-9/+=_.\-]{4,}\Z
    | (?<=://)[^\s/@:]*:(?!\d{0,5}\Z)[^\s/@]+\Z
    """,
    re.VERBOSE,
)
"""The beginnings of such shapes at the end of a text; a private key needs none, for its shape has no end."""
_LONGEST_BEGUN: Final = 4_096

_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "github": "a GitHub token",
        "gitlab": "a GitLab token",
        "aws_id": "the id of an AWS key",
        "aws_key": "an AWS secret key",
        "azure": "an Azure account key",
        "aws_signature": "a signed AWS address",
        "slack": "a Slack token",
        "google": "a Google API key",
        "hugging_face": "a Hugging Face token",
        "pypi": "a PyPI token",
        "npm": "an npm token",
        "web_token": "a JSON web token",
        "authorization": "an authorization header",
        "private_key": "a private key",
        "address": "a password in an address",
    }
)

# fmt: off
_MARKS: Final = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "gl", "AKIA", "ASIA", "ABIA", "ACCA", "xox", "AIza", "hf_",
    "pypi-", "npm_", "eyJ", "PRIVATE KEY", "://",
)
_MARKS_OF_ANY_CASE: Final = ("aws_secret_access_key", "accountkey=", "x-amz-signature=", "authorization:")
# fmt: on
"""One of these is in every text with such a shape."""

_PLACEHOLDER: Final = re.compile(r"(?:[$<{*%\[]|x+$|\.\.\.)", re.IGNORECASE)
"""How the value begins where a program fills it in later: ``${TOKEN}``, ``<password>``, ``{{ secret }}``, ``%s``."""


def kinds_of_secrets(text: str) -> Iterator[str]:
    """Yield what each secret in `text` seems to be, in order: ``a GitHub token``. Placeholders are none.

    >>> list(kinds_of_secrets("https://me:hunter2@example.org and https://me:${PASSWORD}@example.org"))
    ['a password in an address']
    """
    if not may_hold_one(text):
        return
    for found in SHAPES.finditer(text):
        group = found.lastgroup or ""
        if not (group in {"address", "authorization"} and _PLACEHOLDER.match(_value(group, found[0]))):
            yield _KINDS[group]


def may_hold_one(text: str) -> bool:
    """Whether it is worth looking for a shape in `text`; False is certain, and thirty times as fast as looking."""
    if any(mark in text for mark in _MARKS):
        return True
    folded = text.lower()
    return any(mark in folded for mark in _MARKS_OF_ANY_CASE)


def begun_shape(text: str, end: int) -> int | None:
    """Return where what looks like a token begins that the first `end` characters of `text` end in the middle of."""
    found = _BEGUN.search(text, max(0, end - _LONGEST_BEGUN), end)
    return None if found is None else found.start()


def _value(group: str, text: str) -> str:
    return text.partition(":")[2] if group == "address" else text.rsplit(maxsplit=1)[-1]
